"""What `ship` does while a receiver cannot be reached or cannot store: it tries again, and says why it gives up."""

import os
import shutil
import socket
import subprocess
import time

import pytest

from support import Proxy, assert_same, noise, used_percent


@pytest.fixture
def refusing_port():
    """A port that is taken, but where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# -- receivers that cannot be reached ----------------------------------------------------------------------------------

def test_nobody_listens(sluice, refusing_port):
    source = sluice.file("log", b"a\n")
    url = f"tcp://127.0.0.1:{refusing_port}"
    started = time.monotonic()
    patient = sluice.start_ship(url, source)
    hasty = sluice.start_ship(url, source, "--deadline", "2s", state="state-2")
    assert hasty.wait() == 69
    assert 1.9 < time.monotonic() - started
    assert patient.wait() == 69
    took = time.monotonic() - started
    assert 5 < took < 15
    for ship in (patient, hasty):
        assert url in ship.errors.lines()[-1] and "refused" in ship.errors.lines()[-1], ship


def test_a_name_that_nobody_knows(sluice):
    source = sluice.file("log", b"a\n")
    result = sluice.ship("tcp://no-such-host.invalid:7070", source, "--deadline", "1s", code=69)
    assert "no-such-host.invalid" in result.err


def test_somebody_else_listens(sluice):
    source = sluice.file("log", b"a\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        ship = sluice.start_ship(f"tcp://127.0.0.1:{server.getsockname()[1]}", source, "--deadline", "2s")
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            assert ship.wait() == 69
    assert "HTTP" in "".join(ship.errors.lines())


def test_a_receiver_that_goes_for_good(sluice):
    data = noise(6_000_000, 2)
    path = sluice.file("log", data)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=2_000_000) as proxy:
        ship = sluice.start_ship(proxy, path, "--compression", "none", "--deadline", "4s")
        proxy.wait_until_held()
        receiver.kill()
        assert ship.wait() == 75
    assert "acknowledged" in ship.errors.lines()[-1]
    assert data.startswith(sluice.stored(receiver.store, path))


# -- full disks --------------------------------------------------------------------------------------------------------

def test_a_disk_that_is_fuller_than_allowed(sluice):
    if used_percent(sluice.tmp) < 10:
        pytest.skip("the file system of the temporary folder is nearly empty")
    receiver = sluice.receiver("store", "--max-used-percent", "10")
    source = sluice.file("log", b"a\nb\n")
    result = sluice.ship(receiver, source, "--deadline", "3s", code=75)
    assert "full" in result.err and str(receiver.store) in result.err, result
    assert sluice.count(receiver) == 0
    assert len(receiver.complaints("storage:")) == 1
    assert receiver.stop() == 0
    receiver = sluice.receiver("store", "--max-used-percent", "100")
    sluice.ship(receiver, source)
    assert sluice.stored(receiver, source) == b"a\nb\n"


def can_mount():
    return os.geteuid() == 0 and shutil.which("nsenter") and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0


def test_a_disk_that_fills_up(sluice):
    if not can_mount():
        pytest.skip("mounting a small file system needs root")
    disk = sluice.tmp / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=8m none {disk} && exec \"$@\""
    receiver = sluice.receiver("disk/store", "--max-used-percent", "100", "--segment-bytes", "3MiB", verified=False,
                               before=["unshare", "-m", "sh", "-c", mount, "sh"])
    store = f"/proc/{receiver.pid}/root{receiver.store}"
    data = noise(20_000_000, 3)
    path = sluice.file("log", data)

    result = sluice.ship(receiver, path, "--compression", "none", "--deadline", "4s", code=75)
    assert "No space" in result.err or "no space" in result.err or "full" in result.err, result
    part = sluice.stored(store, path)
    assert len(part) > 4_000_000 and data.startswith(part)
    assert sluice.run("store", "verify", store).code == 0

    grow = ["nsenter", "-t", str(receiver.pid), "-m", "mount", "-o", "remount,size=64m", str(disk)]
    subprocess.run(grow, check=True)
    sluice.ship(receiver, path, "--compression", "none")
    assert_same(sluice.stored(store, path), data)
    assert sluice.run("store", "verify", store).code == 0

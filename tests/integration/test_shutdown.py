"""What signals do to receiver and shipper."""

import os
import shutil
import signal
import socket
import subprocess
import time
import types

import pytest

from support import DEADLINE, WITH_US, Proxy, assert_same, noise

HELD = 2_000_000
# Tells its child of a signal, and at once again its whole group.
TIMEOUT = ["timeout", "--preserve-status", str(DEADLINE), *WITH_US]
# A disk that does not answer while the file HANGS is there.
HANGING_SYNC = r"""
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int fdatasync(int fd) {
  if (access(getenv("HANGS"), F_OK) == 0 && write(STDERR_FILENO, "the disk hangs\n", 15) < 0)
    return -1;
  while (access(getenv("HANGS"), F_OK) == 0)
    usleep(10000);
  return (int)syscall(SYS_fdatasync, fd);
}
"""


def echo_signal(process, number):
    """Sends a signal, and again as soon as the process has seen it."""
    started = time.monotonic()
    process.signal(number)
    process.errors.wait_for("stopping")
    process.signal(number)
    if time.monotonic() - started > 0.4:
        pytest.skip("this machine is too slow for two signals within half a second")


def signal_again(process, number):
    """A second signal, so late that it is not taken for an echo of the first one."""
    process.errors.wait_for("stopping")
    time.sleep(0.6)
    process.signal(number)


def test_receiver_drains_on_sigterm_and_ship_goes_on_with_the_next(sluice):
    data = noise(6_000_000, seed=1)
    source = sluice.file("log", data)
    first = sluice.receiver()
    with Proxy(first.port, hold_after=HELD) as proxy:
        ship = sluice.start_ship(proxy, source, "--compression", "none")
        proxy.wait_until_held()
        assert first.stop() == 0
        ship.errors.wait_for("trying again")
        assert ship.is_running
        part = sluice.stored(first.store, source)
        assert data.startswith(part)
        second = sluice.receiver(port=first.port)
        proxy.release()
        assert ship.wait() == 0
    assert_same(sluice.stored(second, source), data)


def test_idle_receiver_ends_at_once(sluice):
    receiver = sluice.receiver()
    for number in (signal.SIGTERM, signal.SIGINT):
        receiver.signal(number)
        assert receiver.wait() == 0
        receiver = sluice.receiver()


def test_receiver_outlives_sighup(sluice):
    receiver = sluice.receiver()
    receiver.signal(signal.SIGHUP)
    receiver.errors.wait_for("SIGHUP")
    source = sluice.file("log", b"still there\n")
    sluice.ship(receiver, source)
    assert sluice.stored(receiver, source) == b"still there\n"


def test_ship_drains_on_sigterm_and_goes_on_later(sluice):
    data = noise(60_000_000, seed=2)
    source = sluice.file("log", data)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=HELD) as proxy:
        ship = sluice.start_ship(proxy, source, "--compression", "none")
        proxy.wait_until_held()
        ship.signal(signal.SIGTERM)
        ship.errors.wait_for("stopping")
        proxy.release()
        started = time.monotonic()
        assert ship.wait() == 0
        assert time.monotonic() - started < 30
        ship.errors.wait_for(r"sluice ship: \d+ records .* acknowledged")
    part = sluice.stored(receiver, source)
    assert 0 < len(part) < len(data) and data.startswith(part)
    sluice.ship(receiver, source)
    assert_same(sluice.stored(receiver, source), data)


def test_second_sigint_ends_ship_at_once(sluice):
    data = noise(4_000_000, seed=3)
    source = sluice.file("log", data)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=HELD) as proxy:
        ship = sluice.start_ship(proxy, source, "--compression", "none")
        proxy.wait_until_held()
        ship.signal(signal.SIGINT)
        started = time.monotonic()
        signal_again(ship, signal.SIGINT)
        assert ship.wait() == 75
        assert time.monotonic() - started < 15
        ship.errors.wait_for("stopped: .* acknowledged")
    sluice.ship(receiver, source)
    assert_same(sluice.stored(receiver, source), data)


def test_ship_says_what_is_left_when_the_drain_takes_too_long(sluice):
    data = noise(4_000_000, seed=4)
    source = sluice.file("log", data)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=HELD) as proxy:
        ship = sluice.start_ship(proxy, source, "--compression", "none", "--drain-timeout", "500ms")
        proxy.wait_until_held()
        ship.signal(signal.SIGTERM)
        assert ship.wait() == 75
        ship.errors.wait_for(r"stopped: \d+ records? .* acknowledged; [1-9]\d* records? \(.*\) of 1 stream read after")
    sluice.ship(receiver, source)
    assert_same(sluice.stored(receiver, source), data)


def test_receive_ends_with_what_has_come_though_shippers_go_on(sluice):
    data = noise(20_000_000, seed=5)
    source = sluice.file("log", data)
    receiver = sluice.receiver()
    ship = sluice.start_ship(receiver, source, "--compression", "none")
    while sluice.count(receiver) < 1:
        assert ship.is_running
    receiver.signal(signal.SIGTERM)
    assert receiver.wait() == 0
    assert data.startswith(sluice.stored(receiver.store, source))
    again = sluice.receiver(port=receiver.port)
    assert ship.wait() == 0
    assert_same(sluice.stored(again, source), data)


def test_sigterm_before_the_receiver_has_answered(sluice):
    source = sluice.file("log", b"line\n")
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=1) as proxy:
        ship = sluice.start_ship(proxy, source)
        proxy.wait_until_held()
        ship.signal(signal.SIGTERM)
        assert ship.wait() == 0
        ship.errors.wait_for("sluice ship: 0 records .* acknowledged")
    assert sluice.count(receiver) == 0


def test_what_was_read_of_a_pipe_is_shipped_on_sigterm(sluice):
    """Whole lines that were read and not yet batched were lost, with status 0."""
    data = b"".join(b"line %d\n" % i for i in range(20_000))
    receiver = sluice.receiver()
    ship = sluice.start_ship(receiver, "-", "--batch-events", "1", stdin=subprocess.PIPE)
    os.write(ship.stdin.fileno(), data[:60_000])
    while sluice.count(receiver) < 1:
        assert ship.is_running
    ship.signal(signal.SIGTERM)
    assert ship.wait() == 0
    stored = sluice.stored(receiver, "stdin")
    assert_same(stored, data[:60_000])


@pytest.mark.parametrize("how", ["timeout", "echo"])
def test_ship_drains_though_it_is_told_twice_at_once(sluice, how):
    """The second signal of the pair was taken for one to end at once."""
    data = noise(4_000_000, seed=6)
    source = sluice.file("log", data)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=HELD) as proxy:
        ship = sluice.start_ship(proxy, source, "--follow", "--compression", "none",
                                 before=TIMEOUT if how == "timeout" else ())
        proxy.wait_until_held()
        if how == "timeout":
            ship.signal(signal.SIGTERM)
            ship.errors.wait_for("stopping")
        else:
            echo_signal(ship, signal.SIGTERM)
        proxy.release()
        assert ship.wait() == 0, ship
    part = sluice.stored(receiver, source)
    assert part and data.startswith(part)


def test_timeout_lets_receive_drain(sluice):
    data = noise(20_000_000, seed=7)
    source = sluice.file("log", data)
    receiver = sluice.receiver(before=TIMEOUT)
    ship = sluice.start_ship(receiver, source, "--compression", "none")
    while sluice.count(receiver) < 1:
        assert ship.is_running
    receiver.signal(signal.SIGTERM)
    assert receiver.wait() == 0, receiver
    again = sluice.receiver(port=receiver.port)
    assert ship.wait() == 0
    assert_same(sluice.stored(again, source), data)


@pytest.fixture
def hanging(sluice):
    """A receiver whose disk hangs with something to store, and the shipper that waits for it."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("a C compiler is needed to make a disk hang")
    library, hangs = sluice.tmp / "hanging_sync.so", sluice.tmp / "hangs"
    subprocess.run([compiler, "-shared", "-fPIC", "-xc", "-", "-o", library], input=HANGING_SYNC.encode(), check=True)
    data = noise(2_000_000, seed=8)
    source = sluice.file("log", data)

    def start(*arguments):
        receiver = sluice.receiver("store", *arguments, before=["env", f"LD_PRELOAD={library}", f"HANGS={hangs}"])
        sluice.ship(receiver, sluice.file("first", b"a line\n"))
        hangs.touch()
        ship = sluice.start_ship(receiver, source, "--compression", "none")
        receiver.errors.wait_for("the disk hangs")
        return receiver, ship

    def everything_arrives(receiver, ship):
        again = sluice.receiver(port=receiver.port)
        assert ship.wait() == 0
        assert_same(sluice.stored(again, source), data)

    return types.SimpleNamespace(start=start, heal=hangs.unlink, everything_arrives=everything_arrives)


def says_what_is_not_stored(receiver):
    return receiver.errors.wait_for(r"stopped: [1-9]\d* records? .* received and not stored; their shippers keep them")


def test_receive_gives_a_hanging_disk_up_after_the_drain_timeout(hanging):
    receiver, ship = hanging.start("--drain-timeout", "500ms")
    receiver.signal(signal.SIGTERM)
    assert receiver.wait() == 75, receiver
    says_what_is_not_stored(receiver)
    hanging.everything_arrives(receiver, ship)


def test_receive_says_what_is_lost_of_syslog_with_a_hanging_disk(sluice, hanging):
    receiver, ship = hanging.start("--drain-timeout", "500ms", "--listen", "syslog+tcp://127.0.0.1:0")
    port = int(receiver.errors.wait_for(r"listening on syslog\+tcp://127\.0\.0\.1:(\d+)").group(1))
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as to:
        to.sendall(b"".join(b"<13>1 - host app - - - %d\n" % i for i in range(100)))
        to.shutdown(socket.SHUT_WR)
        assert to.recv(1) == b""  # all of it is read
    receiver.signal(signal.SIGTERM)
    assert receiver.wait() == 75, receiver
    receiver.errors.wait_for(r"sluice receive: syslog\+tcp://\S+: stopped: 100 records .* not stored; they are lost")
    says_what_is_not_stored(receiver)
    hanging.everything_arrives(receiver, ship)


def test_second_signal_ends_receive_at_once_though_its_disk_hangs(hanging):
    receiver, ship = hanging.start("--drain-timeout", "1h")
    receiver.signal(signal.SIGTERM)
    signal_again(receiver, signal.SIGTERM)
    assert receiver.wait() == 75, receiver
    says_what_is_not_stored(receiver)
    hanging.everything_arrives(receiver, ship)


def test_receive_drains_though_it_is_told_twice_at_once(hanging):
    receiver, ship = hanging.start()
    echo_signal(receiver, signal.SIGINT)
    hanging.heal()
    assert receiver.wait() == 0, receiver
    hanging.everything_arrives(receiver, ship)

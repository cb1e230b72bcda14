"""Files that are copied and truncated while they are followed."""

import os
import shutil
import time

import pytest

import kill_follow
from support import DEADLINE, Proxy, assert_same, log_lines, noise


def await_stored(sluice, receiver, *wanted):
    """Waits until as many records are stored as `wanted` has lines, and returns what is stored."""
    count = b"".join(wanted).count(b"\n")
    until = time.monotonic() + DEADLINE
    while sluice.count(receiver) < count:
        assert time.monotonic() < until, f"{sluice.count(receiver)} records are stored, not {count}"
    return sluice.query(receiver)


def follow(sluice, receiver, path, *more):
    return sluice.start_ship(receiver, path, "--follow", "--poll-interval", "100ms", "--rotate-wait", "500ms",
                             "--flush-interval", "50ms", *more)


def append(path, text):
    with path.open("ab") as out:
        out.write(text)
    return text


@pytest.mark.parametrize("restart", ["never", "before the truncation", "while it is truncated"])
def test_a_copy_that_lacks_what_was_shipped_already_is_not_shipped_again(sluice, restart):
    """What is written after copying and read before the truncation makes the copy shorter than what was read."""
    receiver = sluice.receiver()
    path = sluice.file("app.log", b"")
    ship = follow(sluice, receiver, path)
    written = [append(path, log_lines(2000, seed=1))]
    await_stored(sluice, receiver, *written)
    shutil.copyfile(path, sluice.tmp / "app.log.1")
    written.append(append(path, log_lines(300, seed=2)))
    await_stored(sluice, receiver, *written)
    if restart != "never":
        ship.kill()
    if restart == "before the truncation":
        ship = follow(sluice, receiver, path)
    os.truncate(path, 0)
    written.append(append(path, log_lines(100, seed=3)))
    if restart == "while it is truncated":
        ship = follow(sluice, receiver, path)
    await_stored(sluice, receiver, *written)
    written.append(append(path, b"the end\n"))
    assert await_stored(sluice, receiver, *written) == b"".join(written)
    shutil.copyfile(path, sluice.tmp / "app.log.2")
    os.truncate(path, 0)
    written.append(append(path, b"another end\n"))
    assert await_stored(sluice, receiver, *written) == b"".join(written)
    assert ship.stop() == 0


def test_a_copy_is_read_on_after_a_kill_if_not_all_of_it_was_acknowledged(sluice):
    """It was shorter than what was read, and so taken for finished, though what was read was lost with the shipper."""
    receiver = sluice.receiver()
    path = sluice.file("app.log", b"")
    stored, sent, late, last = log_lines(100, seed=1), noise(300_000, seed=2), noise(300_000, seed=3), b"the end\n"
    with Proxy(receiver.port, hold_after=100_000) as proxy:
        ship = follow(sluice, proxy, path, "--progress", "--compression", "none")
        append(path, stored)
        await_stored(sluice, receiver, stored)
        append(path, sent)
        proxy.wait_until_held()
        copy = shutil.copyfile(path, sluice.tmp / "app.log.1")
        append(path, late)
        ship.errors.wait_for(r"5\d\d\.\d KiB on their way")
        os.truncate(path, 0)
        append(path, last)
        until = time.monotonic() + DEADLINE
        while f" {copy.stat().st_ino} " not in (sluice.tmp / "state/files").read_text():
            assert time.monotonic() < until, "the truncation was not noticed"
        receiver.kill()
        ship.kill()
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, path)
    found = await_stored(sluice, receiver, stored, sent, last)
    assert_same(found, stored + sent + last)
    assert ship.stop() == 0


def test_nothing_is_lost_if_the_writer_waits(soak):
    soak(kill_follow, lines=20_000, rate=5_000, kills=4, rotate=2_000, rotation="copytruncate", seed=1)


def test_only_what_is_written_between_copy_and_truncation_is_lost(soak):
    soak(kill_follow, lines=20_000, rate=5_000, kills=4, rotate=2_000, rotation="copytruncate", writer="goes-on", seed=2)

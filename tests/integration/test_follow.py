"""`ship --follow`: files that grow, are rotated, truncated, appear and vanish while they are shipped."""

import os
import time

from support import DEADLINE, assert_same, log_lines


def wait_until_stored(sluice, receiver, expected, path):
    """Waits until the store holds `expected` of what is followed at `path`."""
    until = time.monotonic() + DEADLINE
    while (stored := sluice.stored(receiver, path)) != expected:
        assert time.monotonic() < until and len(stored) <= len(expected), assert_same(stored, expected)


class Log:
    """A file as a program writes and rotates it."""

    def __init__(self, path):
        self.path = path
        self.text = b""

    def write(self, text):
        with self.path.open("ab") as out:
            out.write(text)
        self.text += text

    def rotate(self, count=9):
        for number in range(count - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.rename(self.path.with_name(self.path.name + ".1"))

    def copy_and_truncate(self, name):
        self.path.with_name(name).write_bytes(self.path.read_bytes())
        os.truncate(self.path, 0)


def follow(sluice, receiver, *sources, **how):
    return sluice.start_ship(receiver, "--follow", "--poll-interval", "100ms", "--rotate-wait", "1s",
                             "--flush-interval", "50ms", *sources, **how)


def test_appended_lines_are_shipped_and_sigterm_ends_with_0(sluice):
    log = Log(sluice.tmp / "app.log")
    log.write(log_lines(1000, seed=1))
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    log.write(log_lines(1000, seed=2))
    wait_until_stored(sluice, receiver, log.text, log.path)
    whole = log.text
    log.write(b"a line that is completed ")
    assert ship.stop() == 0
    assert_same(sluice.stored(receiver, log.path), whole)
    log.write(b"later\n")
    ship = follow(sluice, receiver, log.path)
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0


def test_rotation_by_renaming(sluice):
    log = Log(sluice.tmp / "app.log")
    receiver = sluice.receiver()
    ship = follow(sluice, receiver, log.path)
    for number in range(5):
        log.write(log_lines(500, seed=number))
        wait_until_stored(sluice, receiver, log.text, log.path)
        log.write(log_lines(500, seed=number + 100))
        log.rotate()
    log.write(b"the end\n")
    wait_until_stored(sluice, receiver, log.text, log.path)
    assert ship.stop() == 0

"""What is dropped in overload, by each policy, is counted where it is missing: stored and gap records are what was written."""

import json
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from support import Proxy, assert_same, log_lines

# More than what waits in memory (32 MiB) and on disk together.
LINES = 600_000
WIDTH = 200
LEVELS = [b"info", b"debug", b"notice"]


def numbered_lines(begin, end):
    """Lines that say their number and how severe they are: every hundredth is an error."""
    pad = b"." * (WIDTH - 20)
    return b"".join(b"%08d %s %s\n" % (i, b"error" if i % 100 == 0 else LEVELS[i % 3], pad) for i in range(begin, end))


def gaps(sluice, receiver):
    """Reasons and numbers of records, in stored order, from the lines in which json shows gaps."""
    shown = sluice.query(receiver, "--output", "json", "--contains", "no line has this").splitlines()
    found = [json.loads(line) for line in shown]
    assert all("gap" in each for each in found)
    return [(each["gap"]["reason"], each["gap"]["records"]) for each in found]


def number_of(line):
    return int(line[:8])


class Stalled:
    """Standard input that is shipped to a receiver which is stopped as soon as it has stored the first lines."""

    def __init__(self, sluice, *arguments):
        self.sluice = sluice
        self.receiver = sluice.receiver()
        self.ship = sluice.start_ship(self.receiver, "-", "--spool-max-size", "32MiB", "--compression", "none",
                                      "--flush-interval", "50ms", *arguments, stdin=subprocess.PIPE)
        self.ship.stdin.write(numbered_lines(0, 100))
        self.ship.stdin.flush()
        while sluice.count(self.receiver) < 100:
            assert self.ship.is_running, self.ship
        self.receiver.signal(signal.SIGSTOP)
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()

    def _write(self):
        for begin in range(100, LINES, 10_000):
            self.ship.stdin.write(numbered_lines(begin, min(begin + 10_000, LINES)))
        self.ship.stdin.close()

    def resume(self):
        """Lets the receiver go on; returns the numbers of the lines that are stored, and the gaps."""
        self.receiver.signal(signal.SIGCONT)
        self.writer.join()
        assert self.ship.wait() == 0, self.ship
        lines = self.sluice.query(self.receiver).splitlines(keepends=True)
        numbers = [number_of(line) for line in lines]
        for number, line in zip(numbers, lines):
            assert len(line) > WIDTH - 12 and line.endswith(b".\n"), line
        assert numbers == sorted(set(numbers)), "in order and once"
        return numbers, gaps(self.sluice, self.receiver)


def says_dropped(ship, reason, records):
    return f"sluice ship: records dropped in overload, by reason: {records} {reason}" in ship.errors.lines()


def is_everything(numbers, found, reason):
    assert {each for each, _ in found} == {reason}
    return len(numbers) + sum(records for _, records in found) == LINES


def test_drop_newest_keeps_the_oldest_and_counts_the_others(sluice):
    stalled = Stalled(sluice, "--policy", "drop-newest")
    stalled.writer.join(60)
    assert not stalled.writer.is_alive(), "whoever writes must not wait"
    numbers, found = stalled.resume()
    assert is_everything(numbers, found, "drop_newest")
    assert says_dropped(stalled.ship, "drop_newest", LINES - len(numbers))
    # What fits into memory and onto disk came first.
    assert numbers[:100_000] == list(range(100_000))
    assert len(numbers) < LINES - 100_000


def test_drop_newest_drops_rather_than_make_a_writer_as_slow_as_the_receiver(sluice):
    receiver = sluice.receiver()
    with Proxy(receiver.port, bytes_per_second=4_000_000) as proxy:
        ship = sluice.start_ship(proxy, "-", "--policy", "drop-newest", "--spool-max-size", "32MiB", "--compression",
                                 "none", stdin=subprocess.PIPE)
        for begin in range(0, LINES, 10_000):
            ship.stdin.write(numbered_lines(begin, begin + 10_000))
        ship.stdin.close()
        assert ship.wait() == 0, ship
    numbers = [number_of(line) for line in sluice.query(receiver).splitlines()]
    assert numbers == sorted(set(numbers))
    assert is_everything(numbers, gaps(sluice, receiver), "drop_newest")


def test_drop_oldest_keeps_the_newest_and_counts_the_others(sluice):
    stalled = Stalled(sluice, "--policy", "drop-oldest")
    stalled.writer.join(60)
    assert not stalled.writer.is_alive(), "whoever writes must not wait"
    numbers, found = stalled.resume()
    assert is_everything(numbers, found, "drop_oldest")
    assert says_dropped(stalled.ship, "drop_oldest", LINES - len(numbers))
    assert numbers[-1000:] == list(range(LINES - 1000, LINES))


def test_shed_keeps_what_is_severe(sluice):
    stalled = Stalled(sluice, "--policy", "shed", "--shed-severity", "error")
    stalled.writer.join(60)
    assert not stalled.writer.is_alive(), "whoever writes must not wait"
    numbers, found = stalled.resume()
    assert is_everything(numbers, found, "shed_by_severity")
    assert says_dropped(stalled.ship, "shed_by_severity", LINES - len(numbers))
    assert [number for number in numbers if number % 100 == 0] == list(range(0, LINES, 100))


def test_block_drops_nothing(sluice):
    stalled = Stalled(sluice)
    stalled.writer.join(5)
    assert stalled.writer.is_alive(), "there is room for half of it"
    numbers, found = stalled.resume()
    assert numbers == list(range(LINES))
    assert found == []
    assert not any("dropped" in line for line in stalled.ship.errors.lines())


def wait_until_it_reads_no_more(process):
    """Returns once the process has read next to nothing for a second: its window is full."""
    def read_bytes():
        return int(pathlib.Path(f"/proc/{process.pid}/io").read_text().split()[1])

    before = -1_000_000
    while (now := read_bytes()) > before + 100_000:
        before = now
        time.sleep(1)


@pytest.mark.parametrize("policy, reason", [("drop-oldest", "drop_oldest"), ("drop-newest", "drop_newest"),
                                            ("shed", "shed_by_severity")])
def test_a_file_that_grows_too_fast(sluice, policy, reason):
    receiver = sluice.receiver()
    path = sluice.file("app.log", numbered_lines(0, 100))
    ship = sluice.start_ship(receiver, path, "--follow", "--poll-interval", "100ms", "--policy", policy,
                             "--buffer-max-size", "4MiB", "--compression", "none", "--flush-interval", "50ms")
    while sluice.count(receiver) < 100:
        assert ship.is_running, ship
    receiver.signal(signal.SIGSTOP)
    with path.open("ab") as out:
        for begin in range(100, LINES, 10_000):
            out.write(numbered_lines(begin, min(begin + 10_000, LINES)))
    if policy == "drop-oldest":
        ship.errors.wait_for("records dropped")
    wait_until_it_reads_no_more(ship)
    receiver.signal(signal.SIGCONT)
    ship.errors.wait_for("records dropped")

    def stored():
        return sluice.count(receiver) + sum(records for _, records in gaps(sluice, receiver))

    while (total := stored()) < LINES:
        assert ship.is_running, ship
    assert total == LINES
    assert ship.stop() == 0
    assert {each for each, _ in gaps(sluice, receiver)} == {reason}
    numbers = [number_of(line) for line in sluice.stored(receiver, path).splitlines()]
    assert numbers == sorted(set(numbers))
    assert says_dropped(ship, reason, LINES - len(numbers))
    if policy == "drop-oldest":
        assert numbers[-1000:] == list(range(LINES - 1000, LINES))
    if policy == "shed":
        assert [number for number in numbers if number % 100 == 0] == list(range(0, LINES, 100))


def test_wrong_values_are_told(sluice):
    for flag, value in (("--policy", "drop"), ("--shed-severity", "loud"), ("--buffer-max-size", "much")):
        result = sluice.run("ship", "-", "--to", "tcp://127.0.0.1:1", flag, value)
        assert result.code == 64 and flag in result.err and value in result.err, result

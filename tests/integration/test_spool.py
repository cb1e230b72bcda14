"""Standard input and pipes: what the spool has confirmed is stored once, whatever is killed."""

import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from support import Proxy, assert_same, log_lines, noise, segments

KILLS = 20
SEED = 7


@pytest.fixture
def nowhere():
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{taken.getsockname()[1]}"


def confirmed(process):
    """How many records the spool of a process has said to be written."""
    counts = [int(found[1]) for line in process.errors.lines()
              if (found := re.search(r"(\d+) records? \([^)]*\) written to the spool", line))]
    return max(counts, default=0)


def spool(sluice, name="spool"):
    return sluice.tmp / "state" / name


def spool_bytes(sluice):
    return sum(path.stat().st_size for path in spool(sluice).glob("*.seg"))


class Writer:
    """Feeds numbered lines into a pipe that outlives its readers, until it is told to stop.

    `count` lines are written for certain, and `AT_ONCE` more may be.
    """

    AT_ONCE = 20

    def __init__(self, path):
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR)
        self.count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self):
        pick = random.Random(SEED)
        while not self._stop.is_set():
            lines = b"".join(b"<%08d %s>\n" % (i, b"x" * pick.randrange(200))
                             for i in range(self.count, self.count + self.AT_ONCE))
            os.write(self._pipe, lines)
            self.count += self.AT_ONCE
            time.sleep(0.002)

    def stop(self):
        self._stop.set()
        self._thread.join()
        os.close(self._pipe)


def test_what_was_confirmed_survives_kills(sluice):
    print(f"seed {SEED}")
    pick = random.Random(SEED)
    receiver = sluice.receiver()
    fifo = sluice.tmp / "fifo"
    writer = Writer(fifo)
    promised = []
    unread = [0]
    for number in range(KILLS + 1):
        with open(fifo, "rb", buffering=0) as stdin:
            ship = sluice.start_ship(receiver, "-", "--progress", "--label", f"run={number}", stdin=stdin)
        if number % 2 == 0:
            ship.errors.wait_for(r"[1-9]\d* records? \([^)]*\) written to the spool")
        if number == KILLS:
            break
        time.sleep(pick.uniform(0.01, 0.3))
        ship.signal(signal.SIGKILL)
        ship.wait()
        promised.append(confirmed(ship))
        unread.append(writer.count + writer.AT_ONCE)
    writer.stop()
    assert ship.wait() == 0, ship.errors.lines()
    promised.append(confirmed(ship))
    assert sum(count > 0 for count in promised) >= KILLS // 2, promised

    seen = -1
    for number, least in enumerate(promised):
        lines = sluice.query(receiver, "--label", f"run={number}").splitlines()
        assert len(lines) >= least, f"run {number}: {len(lines)} lines are stored, {least} were confirmed"
        whole = [int(found[1]) for line in lines if (found := re.fullmatch(rb"<(\d{8}) x*>", line))]
        # A process that was killed may have taken a part of the next one's first line with it.
        assert len(whole) >= len(lines) - 1
        assert whole == list(range(whole[0], whole[0] + len(whole))) if whole else True
        assert not whole or whole[0] > seen, f"run {number} begins with line {whole[0]}, {seen} is stored already"
        assert not whole or whole[0] <= unread[number], f"run {number} begins with line {whole[0]}, not {unread[number]}"
        seen = whole[-1] if whole else seen
    assert seen == writer.count - 1
    assert segments(spool(sluice)) == []


def test_what_cannot_be_shipped_stays_for_the_next_start(sluice, nowhere):
    data = log_lines(5_000, seed=1)
    started = time.monotonic()
    result = sluice.ship(nowhere, "-", input=data, code=75)
    assert 9 < time.monotonic() - started < 20
    assert "no receiver has answered" in result.err
    assert re.search(rf"5000 records \(.*\) waiting in the spool {spool(sluice)}", result.err), result.err

    for check in ("inspect", "verify"):
        looked = sluice.run("store", check, spool(sluice))
        assert looked.code == 0 and "5000" in looked.out.decode(), looked
    assert_same(sluice.query(spool(sluice)), data)

    receiver = sluice.receiver()
    result = sluice.ship(receiver, "-", input=b"more\n")
    assert "5001 records" in result.err
    stored = sluice.query(receiver).splitlines(keepends=True)
    assert sorted(stored) == sorted([*data.splitlines(keepends=True), b"more\n"])
    assert segments(spool(sluice)) == []


def test_deadline_without_a_receiver(sluice, nowhere):
    ship = sluice.start_ship(nowhere, "-", "--deadline", "2s", stdin=subprocess.PIPE)
    ship.stdin.write(b"one\ntwo\nthr")
    ship.stdin.flush()
    assert ship.wait() == 75
    assert "3 records" in ship.errors.lines()[-1] and "waiting in the spool" in ship.errors.lines()[-1]
    receiver = sluice.receiver()
    sluice.ship(receiver, "-", input=b"")
    assert sluice.query(receiver) == b"one\ntwo\nthr"


def test_sigterm_says_what_remains(sluice):
    data = noise(6_000_000, seed=2)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=2_000_000) as proxy:
        ship = sluice.start_ship(proxy, "-", "--progress", "--drain-timeout", "1s", stdin=subprocess.PIPE)
        ship.stdin.write(data)
        ship.stdin.flush()
        proxy.wait_until_held()
        ship.errors.wait_for(r"30000 records \(.*\) written to the spool")
        ship.signal(signal.SIGTERM)
        assert ship.wait() == 75
    assert re.search(r"stopped: \d+ records? .* acknowledged; \d+ records? .* waiting in the spool", ship.errors.lines()[-1])
    assert sluice.run("store", "verify", spool(sluice)).code == 0
    sluice.ship(receiver, "-", input=b"")
    assert_same(sluice.stored(receiver, "stdin"), data)


def test_a_full_spool_stops_the_reading(sluice):
    bound = 32 * 1024 * 1024
    data = noise(150_000_000, seed=3)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=2_000_000) as proxy:
        ship = sluice.start_ship(proxy, "-", "--compression", "none", "--spool-max-size", "32MiB",
                                 stdin=subprocess.PIPE)
        written = 0
        taker = threading.Event()

        def write():
            nonlocal written
            for at in range(0, len(data), 65536):
                os.write(ship.stdin.fileno(), data[at:at + 65536])
                written = min(at + 65536, len(data))
            ship.stdin.close()
            taker.set()

        threading.Thread(target=write, daemon=True).start()
        proxy.wait_until_held()
        before = -1
        while before != written:
            before = written
            assert not taker.wait(2), "everything was read"
        assert bound // 2 < spool_bytes(sluice) <= bound
        assert written < bound + 40 * 1024 * 1024
        proxy.release()
        assert ship.wait() == 0
    assert_same(sluice.stored(receiver, "stdin"), data)
    assert segments(spool(sluice)) == []


def test_processes_at_once_have_a_spool_each(sluice):
    receiver = sluice.receiver()
    first = sluice.start_ship(receiver, "-", "--label", "run=1", stdin=subprocess.PIPE)
    os.write(first.stdin.fileno(), b"first\n")
    while sluice.count(receiver) < 1:
        assert first.is_running
    data = log_lines(20_000, seed=6)
    sluice.ship(receiver, "-", "--label", "run=2", input=data)
    assert (sluice.tmp / "state" / "spool-2" / "id").exists()
    assert first.is_running
    first.stdin.write(data)
    first.stdin.close()
    assert first.wait() == 0
    assert_same(sluice.query(receiver, "--label", "run=1"), b"first\n" + data)
    assert_same(sluice.query(receiver, "--label", "run=2"), data)
    assert segments(spool(sluice)) == segments(spool(sluice, "spool-2")) == []


def test_what_several_dead_processes_left_is_taken_over(sluice, nowhere):
    def leave_behind(*lines):
        """Kills processes that ran at once, each when its line was in its spool."""
        started = []
        for line in lines:
            ship = sluice.start_ship(nowhere, "-", "--progress", stdin=subprocess.PIPE)
            ship.stdin.write(line)
            ship.stdin.flush()
            ship.errors.wait_for(r"[1-9]\d* records? \([^)]*\) written to the spool")
            started.append(ship)
        for ship in started:
            ship.kill()

    leave_behind(b"one\n", b"two\n", b"three\n")
    receiver = sluice.receiver()
    with_one = sluice.start_ship(receiver, "-", stdin=subprocess.PIPE)
    with_one.errors.wait_for("spool: an earlier process has left 1 record ")
    sluice.ship(receiver, "-", input=b"")
    assert sorted(sluice.query(receiver).splitlines()) == [b"one", b"two"]
    with_one.stdin.close()
    assert with_one.wait() == 0
    sluice.ship(receiver, "-", input=b"four\n")
    assert sorted(sluice.query(receiver).splitlines()) == [b"four", b"one", b"three", b"two"]
    for name in ("spool", "spool-2", "spool-3"):
        assert segments(spool(sluice, name)) == []


def test_files_beside_standard_input(sluice):
    receiver = sluice.receiver()
    source = sluice.file("log", log_lines(1_000, seed=4))
    data = log_lines(1_000, seed=5)
    result = sluice.ship(receiver, source, "-", input=data)
    assert "2000 records" in result.err
    assert_same(sluice.stored(receiver, source), source.read_bytes())
    assert_same(sluice.stored(receiver, "stdin"), data)

#!/usr/bin/env python3
"""Kills receiver and shipper while a file is followed that is written and rotated all the time.

    tests/soak/kill_follow.py [--lines 1000000] [--kills 40] [--rotation rename|copytruncate] [--writer waits|goes-on]

A writer appends numbered lines of 10 bytes to 200 KB, in pieces that end anywhere, and rotates the file every now and then; rotated
files are removed once they are stored, so that inodes are used again. `kill -9` hits receiver and shipper at random
moments, also while they start; they start again at once or after a pause. In the end SIGTERM must end both with 0.

rename: the file gets another name and a new one is made. What is stored must be what was written, byte for byte.
copytruncate: the file is copied and cut to nothing. If the writer waits meanwhile, what is stored must be what was
written. If it goes on, what is written between copy and truncation is in no file for long: such lines may be missing,
and the line that is cut in two there may be stored in pieces. Nothing else may, and they are counted.
"""

import bisect
import os
import random
import shlex
import shutil
import threading
import time

from harness import (LAST_LINE, Killer, NumberedLines, Service, Violation, await_line, free_port, kill_while, main, must_be_same, parser,
                     query, query_to_file, receiver_service, verify, world)


class Writer(threading.Thread):
    """Writes, rotates, and keeps what it has written in one file of its own."""

    def __init__(self, folder, options):
        super().__init__(daemon=True)
        self.path = folder / "app.log"
        self.written = folder.parent / "written"
        self.copies = []  # of copytruncate, for the account: never removed
        self.rotations = self.lines = self.removed = 0
        self.failure = None
        self._options = options
        self._random = random.Random(options.seed + 1)
        self._lines = NumberedLines(options.seed)
        self._kept = []  # rotated files that are still there, oldest first: path and the last line in it
        self.stored_lines = lambda: 0
        self._file = self._open()
        self._reference = open(self.written, "wb")
        self._turn = threading.Lock()
        self._rotator = None

    @property
    def progress(self):
        return self.lines / self._options.lines

    def _open(self):
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def run(self):
        try:
            self._write_all()
        except Exception as failure:  # noqa: BLE001
            self.failure = failure

    def _write_all(self):
        options, pick = self._options, self._random
        started = time.monotonic()
        until_rotation = self._next_rotation()
        while self.lines < options.lines:
            count = min(pick.choice((1, 2, 5, 20, 100, 400)), options.lines - self.lines)
            self._write_some(b"".join(self._lines.make() for _ in range(count)))
            self.lines += count
            until_rotation -= count
            if until_rotation <= 0:
                self._await_first_line()
                self._rotate()
                until_rotation = self._next_rotation()
            ahead = self.lines / options.rate - (time.monotonic() - started)
            if ahead > 0:
                time.sleep(min(ahead, 0.5))
        if self._rotator:
            self._rotator.join()
        self._write(LAST_LINE + b"\n")
        os.close(self._file)
        self._reference.close()

    def _next_rotation(self):
        return self._random.randrange(self._options.rotate // 10, 2 * self._options.rotate)

    def _write_some(self, text):
        """In up to three pieces, with a pause at the edges now and then."""
        cuts = sorted(self._random.randrange(len(text)) for _ in range(self._random.randrange(3)))
        for begin, end in zip([0, *cuts], [*cuts, len(text)]):
            self._write(text[begin:end])
            if self._random.random() < 0.01:
                time.sleep(0.02)

    def _write(self, text):
        with self._turn:
            while text:
                done = os.write(self._file, text)
                self._reference.write(text[:done])
                text = text[done:]

    def _await_first_line(self):
        """What is rotated before a shipper has ever looked is not followed."""
        while self.rotations == 0 and self.stored_lines() == 0:
            time.sleep(0.05)

    def _rotate(self):
        if self._rotator:
            self._rotator.join()
        self.rotations += 1
        name = self._free_name()
        if self._options.rotation == "rename":
            self._rename(name)
        elif self._options.writer == "waits":
            self._copy_and_truncate(name, 0)
        else:
            self._rotator = threading.Thread(target=self._copy_and_truncate,
                                             args=(name, self._random.choice((0, 0.001, 0.05))), daemon=True)
            self._rotator.start()
        self._kept.append((name, self.lines))
        self._remove_what_is_stored()

    def _free_name(self):
        if self._options.names == "dates":
            return self.path.with_name(f"app.log-{20260101 + self.rotations}")
        if self._options.names == "numbers":
            return self.path.with_name(f"app.log.{self.rotations}")
        for age, (name, line) in zip(range(len(self._kept), 0, -1), list(self._kept)):  # the oldest first
            moved = self.path.with_name(f"app.log.{age + 1}")
            name.rename(moved)
            self._kept[len(self._kept) - age] = (moved, line)
        return self.path.with_name("app.log.1")

    def _rename(self, name):
        self.path.rename(name)
        for _ in range(self._random.choice((0, 0, 1, 30))):  # the old file goes on for a while, as with real programs
            self._write_some(self._lines.make())
            self.lines += 1
        os.close(self._file)
        time.sleep(self._random.choice((0, 0, 0.01, 0.2)))  # there may be no file at all for a while
        self._file = self._open()

    def _copy_and_truncate(self, name, pause):
        shutil.copyfile(self.path, name)
        time.sleep(pause)
        os.truncate(self.path, 0)
        if self._options.writer == "goes-on":
            self.copies.append(self.written.parent / f"copy-{self.rotations}")
            os.link(name, self.copies[-1])

    def _remove_what_is_stored(self):
        while len(self._kept) > self._options.keep_rotated and self._kept[0][1] <= self.stored_lines():
            self._kept.pop(0)[0].unlink(missing_ok=True)
            self.removed += 1


# -- what may be missing when the writer goes on during copytruncate ---------------------------------------------------

def copied_ranges(written, copies, rest):
    """Where in `written` each generation of the file begins and its copy ends; `rest` is the file in the end."""
    ranges, at = [], 0
    for content in [path.read_bytes() for path in copies] + [rest]:
        if not content:
            continue
        begin = written.find(content, at)
        if begin < 0:
            raise Violation("the run cannot be judged: a copy is not a part of what was written")
        ranges.append((begin, begin + len(content)))
        at = begin + len(content)
    return ranges


def judge_with_loss(written_path, stored_path, writer):
    """Checks that only lines between copies are missing or cut, and counts them."""
    written = written_path.read_bytes()
    ranges = copied_ranges(written, writer.copies, writer.path.read_bytes())
    stored = stored_path.read_bytes().split(b"\n")
    holes = [(end, begin) for (_, end), (begin, _) in zip(ranges, ranges[1:]) if end < begin]
    lines, at = [], 0
    for line in written.split(b"\n")[:-1]:
        lines.append((at, at + len(line) + 1, line))
        at += len(line) + 1
    hole_ends = [end for _, end in holes]

    def touches_a_hole(begin, end):
        i = bisect.bisect_right(hole_ends, begin)
        return i < len(holes) and holes[i][0] < end

    edges = {x for pair in ranges for x in pair}

    def is_cut(begin, end):
        return any(begin < edge < end for edge in edges)

    index, missing, pieces = 0, 0, 0
    found = [line for line in stored if line]
    for begin, end, line in lines:
        if index < len(found) and found[index] == line:
            index += 1
            continue
        if not touches_a_hole(begin, end) and not is_cut(begin, end):
            raise Violation(f"line {line[:40]!r} at byte {begin} was in the copies and is not stored in its place; "
                            f"there stands {found[index][:60] if index < len(found) else None!r}")
        whole = False
        while index < len(found) and found[index] in line:
            pieces += 1
            index += 1
            whole = True
        missing += not whole
    if index < len(found):
        raise Violation(f"stored, but not written, or not in this place: {found[index][:80]!r}")
    return {"lost between copy and truncation": missing, "pieces of cut lines": pieces,
            "bytes written there": sum(end - begin for begin, end in holes)}


# -- the run -----------------------------------------------------------------------------------------------------------

def run(options):
    with world(options) as sluice:
        logs, store = sluice.tmp / "logs", sluice.tmp / "store"
        logs.mkdir()
        port = free_port()
        receiver = receiver_service(sluice, port, store)
        shipper = Service(sluice, "shipper", sluice.ship_arguments(
            f"tcp://127.0.0.1:{port}", logs / "app.log", "--follow", *options.ship))
        writer = Writer(logs, options)
        writer.stored_lines = lambda: int(query(store, "--output", "count"))
        receiver.start()
        receiver.await_ready()
        shipper.start()
        killer = Killer([receiver, shipper], options.kills, lambda: writer.progress, options.seed + 2)
        writer.start()
        kill_while([writer], killer)
        caught_up = time.monotonic()
        await_line(store, LAST_LINE, [receiver, shipper])
        caught_up = time.monotonic() - caught_up
        shipper.stop()
        receiver.stop()
        figures = verify(store)
        gaps = query_to_file(store, sluice.tmp / "stored")
        if options.rotation == "rename" or options.writer == "waits":
            if gaps:
                raise Violation(f"something was dropped: {gaps}")
            must_be_same(writer.written, sluice.tmp / "stored")
            lost = {"lost": 0}
        else:
            lost = judge_with_loss(writer.written, sluice.tmp / "stored", writer)
        return {"lines": writer.lines, "MB": os.path.getsize(writer.written) // 1_000_000, "doubled": 0, **lost,
                "rotations": writer.rotations, "rotated files removed": writer.removed,
                "kills of the receiver": receiver.kills, "kills of the shipper": shipper.kills,
                "seconds to catch up": f"{caught_up:.1f}", **figures}


def arguments(given=None):
    made = parser(__doc__)
    made.add_argument("--lines", type=int, default=1_000_000)
    made.add_argument("--rate", type=int, default=7_000, help="lines written per second (default: %(default)s)")
    made.add_argument("--kills", type=int, default=40)
    made.add_argument("--rotate", type=int, default=15_000, help="lines between rotations, about (default: %(default)s)")
    made.add_argument("--rotation", choices=("rename", "copytruncate"), default="rename")
    made.add_argument("--writer", choices=("waits", "goes-on"), default="waits",
                      help="what the writer does during copytruncate (default: %(default)s)")
    made.add_argument("--names", choices=("shift", "numbers", "dates"), default="shift",
                      help="of rotated files: app.log.1 becomes app.log.2 each time, app.log.N, app.log-DATE (default: %(default)s)")
    made.add_argument("--keep-rotated", type=int, default=4,
                      help="rotated files that are left even when they are stored (default: %(default)s)")
    made.add_argument("--ship", type=shlex.split, default=[], metavar="ARGUMENTS", help="more for `sluice ship`")
    return made.parse_args(given)


if __name__ == "__main__":
    main(run, arguments())

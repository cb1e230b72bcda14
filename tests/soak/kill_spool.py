#!/usr/bin/env python3
"""Kills a shipper that reads standard input, and its receiver now and then, while numbered lines are written to the pipe.

    tests/soak/kill_spool.py [--lines 1000000] [--kills 20]

The pipe is one and the same for all shippers, so that what a killed one has not taken from it is read by the next. What it
had taken and not yet written to the spool is lost with it: nobody can read that twice. `ship --progress` says what the
spool has confirmed. Every confirmed line must be stored once and in order, and what is lost must be one run of lines
at the end of what a killed shipper has read: it is counted.
"""

import os
import random
import re
import shlex
import threading
import time

from harness import (LAST_LINE, Killer, NumberedLines, Service, Violation, await_line, free_port, kill_while, main,
                     parser, query, receiver_service, verify, world)

CONFIRMED = re.compile(r"(\d+) records? (?:\([^)]*\) )?written to the spool")


class Feeder(threading.Thread):
    """Writes numbered lines to a pipe as fast as they are taken, at most at a rate."""

    def __init__(self, pipe, options):
        super().__init__(daemon=True)
        self._pipe, self._options, self.lines, self.failure = pipe, options, 0, None
        self.contents = []

    @property
    def progress(self):
        return self.lines / self._options.lines

    def run(self):
        try:
            pick, lines = random.Random(self._options.seed + 1), NumberedLines(self._options.seed)
            started = time.monotonic()
            while self.lines < self._options.lines:
                made = [lines.make() for _ in range(pick.choice((1, 3, 20, 200)))]
                self.contents += made
                self._write(b"".join(made))
                self.lines += len(made)
                ahead = self.lines / self._options.rate - (time.monotonic() - started)
                if ahead > 0:
                    time.sleep(min(ahead, 0.5))
        except Exception as failure:  # noqa: BLE001
            self.failure = failure

    def end(self):
        self._write(LAST_LINE + b"\n")
        os.close(self._pipe)

    def _write(self, text):
        while text:
            text = text[os.write(self._pipe, text):]


class SpoolingShipper(Service):
    """Labels every start of its own, and remembers what each had confirmed before it was killed."""

    def __init__(self, *arguments, **how):
        super().__init__(*arguments, **how)
        self.confirmed = {}

    def start(self, *more):
        super().start("--label", f"run={self.starts + 1}", *more)

    def keep_words(self):
        said = [int(found[1]) for line in self.process.errors.lines() if (found := CONFIRMED.search(line))]
        self.confirmed[self.starts] = max(said, default=0)
        super().keep_words()


def judge(store, shipper, contents):
    """Checks what is stored of every run of the shipper; gives back how many lines are lost."""
    contents = [*contents, LAST_LINE + b"\n"]
    known = {line.rstrip(b"\n"): number for number, line in enumerate(contents, 1)}
    next_number, lost, pieces = 1, 0, 0
    for run in range(1, shipper.starts + 1):
        found = query(store, "--label", f"run={run}").split(b"\n")[:-1]
        if found and found[0] not in known and any(found[0] and contents[i].rstrip(b"\n").endswith(found[0])
                                                   for i in range(next_number - 1, min(next_number + 50_000,
                                                                                       len(contents)))):
            pieces += 1  # a line whose beginning the killed shipper had taken from the pipe
            found = found[1:]
        numbers = [known.get(line) for line in found]
        if None in numbers:
            raise Violation(f"run {run}: stored, but not written: {found[numbers.index(None)][:80]!r}")
        for before, after in zip(numbers, numbers[1:]):
            if after != before + 1:
                raise Violation(f"run {run}: line {after} follows line {before}")
        if len(numbers) < shipper.confirmed.get(run, 0):
            raise Violation(f"run {run}: {shipper.confirmed[run]} records were confirmed, {len(numbers)} are stored")
        if numbers:
            if numbers[0] < next_number:
                raise Violation(f"run {run}: line {numbers[0]} is stored again")
            lost += numbers[0] - next_number
            next_number = numbers[-1] + 1
    if next_number != len(contents) + 1:
        raise Violation(f"the last {len(contents) + 1 - next_number} lines were lost without a kill")
    return {"lost (read, not confirmed)": lost, "lines cut by a kill": pieces}


def run(options):
    with world(options) as sluice:
        store, port = sluice.tmp / "store", free_port()
        read_end, write_end = os.pipe()
        receiver = receiver_service(sluice, port, store)
        shipper = SpoolingShipper(
            sluice, "shipper", sluice.ship_arguments(f"tcp://127.0.0.1:{port}", "-", "--progress", *options.ship),
            stdin=read_end)
        receiver.start()
        receiver.await_ready()
        shipper.start()
        feeder = Feeder(write_end, options)
        killer = Killer([shipper], options.kills, lambda: feeder.progress, options.seed + 2)
        other = Killer([receiver], options.receiver_kills, lambda: feeder.progress, options.seed + 3)
        feeder.start()
        kill_while([feeder], killer, other)
        feeder.end()
        os.close(read_end)
        await_line(store, LAST_LINE, [receiver])
        code = shipper.process.wait(60)
        if code != 0:
            raise Violation(f"the shipper ended with {code} at the end of its input: {shipper.last_words()}")
        receiver.stop()
        figures = verify(store)
        confirmed = sum(shipper.confirmed.values())
        if confirmed == 0 and options.kills > 10:
            raise Violation("`ship --progress` has never said what the spool has confirmed")
        return {"lines": feeder.lines, "doubled": 0, **judge(store, shipper, feeder.contents),
                "confirmed before kills": confirmed, "kills of the shipper": shipper.kills,
                "kills of the receiver": receiver.kills, **figures}


def arguments(given=None):
    made = parser(__doc__)
    made.add_argument("--lines", type=int, default=1_000_000)
    made.add_argument("--rate", type=int, default=12_000, help="most lines written per second (default: %(default)s)")
    made.add_argument("--kills", type=int, default=20, help="of the shipper (default: %(default)s)")
    made.add_argument("--receiver-kills", type=int, default=5, help="(default: %(default)s)")
    made.add_argument("--ship", type=shlex.split, default=[], metavar="ARGUMENTS", help="more for `sluice ship`")
    return made.parse_args(given)


if __name__ == "__main__":
    main(run, arguments())

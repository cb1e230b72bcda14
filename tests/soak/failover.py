#!/usr/bin/env python3
"""Receivers that die, hang and come back, and shippers that must end in time.

    tests/soak/failover.py [--lines 300000] [--kills 12] [--only NAME]

several     one followed file, two receivers with stores of their own (`--to` twice), of which one is killed at random and
            comes back, while the shipper is killed too. Every line is in one of the stores at least; none is twice in
            one, and each store verifies. A line is in both only if its acknowledgement was lost with the receiver.
half-open   a receiver is stopped with SIGSTOP: its connection stays open and says nothing. The shipper must notice within
            40 s, go to the other receiver, and bring everything there.
deadline    `ship --deadline 3s` to a receiver that has stopped must end with 75 in time, and say how much is left.
drain       SIGTERM while the receiver has stopped: the shipper must end with 75 within 40 s; a second SIGTERM at once.
stopped-shipper   a shipper is stopped for 30 s, the receiver lets go of the connection, and all goes on afterwards.
"""

import re
import signal
import threading
import time

from harness import (LAST_LINE, Killer, NumberedLines, Service, Violation, await_line, free_port, kill_while, main,
                     must_be_same, number_of,
                     parser, query, query_to_file, receiver_service, verify, world)

NOTICED_WITHIN = 40


class Appender(threading.Thread):
    """Appends numbered lines to a file at a rate, until there are enough."""

    def __init__(self, path, lines, rate, seed):
        super().__init__(daemon=True)
        self.path, self._wanted, self._rate, self._seed = path, lines, rate, seed
        self.lines, self.failure = 0, None
        path.touch()

    @property
    def progress(self):
        return self.lines / self._wanted

    def run(self):
        lines, started = NumberedLines(self._seed), time.monotonic()
        with self.path.open("ab", buffering=0) as out:
            while self.lines < self._wanted:
                out.write(b"".join(lines.make() for _ in range(50)))
                self.lines += 50
                time.sleep(max(0, self.lines / self._rate - (time.monotonic() - started)))

    def finish(self):
        self.join()
        with self.path.open("ab") as out:
            out.write(LAST_LINE + b"\n")


def two_receivers(sluice):
    made = []
    for name in ("one", "other"):
        made.append(receiver_service(sluice, port := free_port(), sluice.tmp / name))
        made[-1].store, made[-1].url = sluice.tmp / name, f"tcp://127.0.0.1:{port}"
        made[-1].start()
        made[-1].await_ready()
    return made


def follower(sluice, path, receivers, *more):
    addresses = [word for receiver in receivers for word in ("--to", receiver.url)]
    return Service(sluice, "shipper",
                   ["ship", *addresses, "--state", sluice.tmp / "state", path, "--follow", *more])


def await_in_any(text, receivers, others, patience=120):
    until = time.monotonic() + patience
    while not any(int(query(receiver.store, "--output", "count", "--contains", text)) for receiver in receivers):
        for service in (*receivers, *others):
            service.must_run()
        if time.monotonic() > until:
            raise Violation(f"'{text}' is in no store after {patience} s: " + "".join(
                f"\n  {service.name}:\n    {service.last_words()}" for service in (*receivers, *others)))
        time.sleep(0.3)


def several(sluice, options):
    receivers = two_receivers(sluice)
    appender = Appender(sluice.tmp / "log", options.lines, options.rate, options.seed)
    shipper = follower(sluice, appender.path, receivers)
    shipper.start()
    killer = Killer([*receivers, shipper], options.kills, lambda: appender.progress, options.seed + 1)
    appender.start()
    kill_while([appender], killer)
    appender.finish()
    await_in_any(LAST_LINE.decode(), receivers, [shipper])
    shipper.stop()
    stored, lines = [], {}
    for receiver in receivers:
        receiver.stop()
        verify(receiver.store)
        found = query(receiver.store).split(b"\n")[:-1]
        numbers = [number for line in found if (number := number_of(line)) is not None]
        if any(b <= a for a, b in zip(numbers, numbers[1:])):
            raise Violation(f"{receiver.name} has lines twice or out of order")
        stored.append(numbers)
        lines.update(zip(numbers, (line for line in found if number_of(line) is not None)))
    written = appender.path.read_bytes().split(b"\n")[:-2]
    missing = [number for number, line in enumerate(written, 1) if lines.get(number) != line]
    if missing:
        raise Violation(f"{len(missing)} lines are in no store, line {missing[0]} first")
    both = len(set(stored[0]) & set(stored[1]))
    return (f"{len(written)} lines with {killer_count(receivers, shipper)} kills, {len(stored[0])} + {len(stored[1])} "
            f"stored, {both} in both")


def killer_count(receivers, shipper):
    return sum(service.kills for service in (*receivers, shipper))


def half_open(sluice, options):
    receivers = two_receivers(sluice)
    appender = Appender(sluice.tmp / "log", options.rate * 10, options.rate, options.seed)
    shipper = follower(sluice, appender.path, receivers)
    shipper.start()
    appender.start()
    while not any(int(query(receiver.store, "--output", "count")) for receiver in receivers):
        shipper.must_run()
        time.sleep(0.1)
    used, spare = sorted(receivers, key=lambda x: -int(query(x.store, "--output", "count")))
    used.process.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        while int(query(spare.store, "--output", "count")) == 0:
            shipper.must_run()
            if time.monotonic() - stopped > NOTICED_WITHIN:
                raise Violation(f"not noticed within {NOTICED_WITHIN} s: {shipper.last_words()}")
            time.sleep(0.1)
        noticed = time.monotonic() - stopped
        appender.finish()
        await_in_any(LAST_LINE.decode(), [spare], [shipper])
    finally:
        used.process.signal(signal.SIGCONT)
    shipper.stop()
    found = set()
    for receiver in receivers:
        receiver.stop()
        verify(receiver.store)
        lines = query(receiver.store).split(b"\n")[:-1]
        if len(set(lines)) != len(lines):
            raise Violation(f"{receiver.name} has lines twice")
        found.update(lines)
    missing = set(appender.path.read_bytes().split(b"\n")[:-1]) - found
    if missing:
        raise Violation(f"{len(missing)} lines are in no store")
    return f"noticed after {noticed:.1f} s"


def stopped_receiver(sluice):
    receiver = receiver_service(sluice, port := free_port(), sluice.tmp / "store")
    receiver.store, receiver.url = sluice.tmp / "store", f"tcp://127.0.0.1:{port}"
    receiver.start()
    receiver.await_ready()
    return receiver


def await_some(receiver, shipper):
    while int(query(receiver.store, "--output", "count")) == 0:
        shipper.must_run()
        time.sleep(0.05)


def deadline(sluice, options):
    receiver = stopped_receiver(sluice)
    receiver.process.signal(signal.SIGSTOP)
    source = sluice.file("log", b"line\n" * 1000)
    started = time.monotonic()
    shipper = sluice.start_ship(receiver.url, source, "--deadline", "3s")
    try:
        code = shipper.wait(20)
        took = time.monotonic() - started
    finally:
        receiver.process.signal(signal.SIGCONT)
    if code not in (69, 75) or not 2.9 < took < 10:
        raise Violation(f"ended with {code} after {took:.1f} s: {shipper}")
    receiver.stop()
    return f"status {code} after {took:.1f} s"


def drain(sluice, options):
    figures = []
    for second_signal in (False, True):
        name = f"drain-{second_signal}"
        receiver = receiver_service(sluice, port := free_port(), sluice.tmp / name)
        receiver.store, receiver.url = sluice.tmp / name, f"tcp://127.0.0.1:{port}"
        receiver.start()
        receiver.await_ready()
        appender = Appender(sluice.tmp / f"log-{name}", options.rate * 4, options.rate, options.seed)
        shipper = Service(sluice, "shipper", ["ship", "--to", receiver.url, "--state", sluice.tmp / f"state-{name}",
                                              appender.path, "--follow"])
        shipper.start()
        appender.start()
        await_some(receiver, shipper)
        receiver.process.signal(signal.SIGSTOP)
        try:
            appender.join()
            shipper.process.signal(signal.SIGTERM)
            started = time.monotonic()
            if second_signal:
                shipper.process.errors.wait_for("stopping")
                time.sleep(0.6)  # within 0.5 s it would count as the first one
                shipper.process.signal(signal.SIGTERM)
            code = shipper.process.wait(60)
            took = time.monotonic() - started
        finally:
            receiver.process.signal(signal.SIGCONT)
        if code != 75 or took > (5 if second_signal else 40):
            raise Violation(f"ended with {code} after {took:.1f} s: {shipper.last_words()}")
        if not re.search(r"\d+ records? .* acknowledged", shipper.last_words()):
            raise Violation(f"does not say what is left: {shipper.last_words()}")
        figures.append(f"{took:.1f} s")
        appender.finish()
        shipper.start()
        await_line(receiver.store, LAST_LINE, [receiver, shipper])
        shipper.stop()
        receiver.stop()
        verify(receiver.store)
        query_to_file(receiver.store, sluice.tmp / "stored")
        must_be_same(appender.path, sluice.tmp / "stored")
    return f"status 75 after {figures[0]}, with a second signal after {figures[1]}; the rest shipped at the next start"


def stopped_shipper(sluice, options):
    receiver = stopped_receiver(sluice)
    appender = Appender(sluice.tmp / "log", options.rate * 40, options.rate, options.seed)
    shipper = follower(sluice, appender.path, [receiver])
    shipper.start()
    appender.start()
    await_some(receiver, shipper)
    shipper.process.signal(signal.SIGSTOP)
    try:
        receiver.process.errors.wait_for("127.0.0.1:.*(timed|silent|heard|closed)", 60)
    finally:
        shipper.process.signal(signal.SIGCONT)
    appender.finish()
    await_line(receiver.store, LAST_LINE, [receiver, shipper])
    shipper.stop()
    receiver.stop()
    verify(receiver.store)
    query_to_file(receiver.store, sluice.tmp / "stored")
    must_be_same(appender.path, sluice.tmp / "stored")
    return "ok"


SCENES = {"several": several, "half-open": half_open, "deadline": deadline, "drain": drain,
          "stopped-shipper": stopped_shipper}


def run(options):
    figures = {}
    for name, scene in SCENES.items():
        if options.only in (None, name):
            with world(options) as sluice:
                figures[name] = scene(sluice, options)
                print(f"  {name}: {figures[name]}", flush=True)
    return figures


def arguments(given=None):
    made = parser(__doc__)
    made.add_argument("--lines", type=int, default=300_000, help="of the scene `several` (default: %(default)s)")
    made.add_argument("--rate", type=int, default=5_000, help="lines per second (default: %(default)s)")
    made.add_argument("--kills", type=int, default=15, help="of the scene `several` (default: %(default)s)")
    made.add_argument("--only", choices=SCENES, help="one scene")
    return made.parse_args(given)


if __name__ == "__main__":
    main(run, arguments())

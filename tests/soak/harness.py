"""What the long runs with real processes share: services that are killed and started again, numbered lines, verdicts."""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

import support  # noqa: E402
from support import Sluice  # noqa: E402

PATIENCE = 180  # seconds in which all that was written must have arrived once nothing disturbs any more
LAST_LINE = b"the last line of all"


class Violation(Exception):
    """A promise was broken."""


def parser(documentation):
    made = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--sluice", type=pathlib.Path, default=pathlib.Path("build/release/sluice"),
                      help="the program (default: %(default)s)")
    made.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32),
                      help="of all that is random but time (default: a new one, printed)")
    made.add_argument("--folder", type=pathlib.Path, help="where to work (default: below the system's temporary folder)")
    made.add_argument("--keep", action="store_true", help="leave what was written and stored behind after a violation")
    return made


def main(run, options):
    """Runs `run(options)`, which gives back the figures, prints them in one line, and ends with 1 on a violation."""
    name = pathlib.Path(sys.argv[0]).stem
    support.BINARY = str(options.sluice.resolve())
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        support.tempfile.tempdir = str(options.folder.resolve())
    print(f"{name}: seed {options.seed}", flush=True)
    started = time.monotonic()
    try:
        figures = run(options)
    except (Violation, AssertionError) as broken:
        print(f"{name}: VIOLATION: {broken}", flush=True)
        print(f"{name}: FAILED after {time.monotonic() - started:.0f} s, seed {options.seed}")
        sys.exit(1)
    figures = {**figures, "seconds": f"{time.monotonic() - started:.0f}", "seed": options.seed}
    print(f"{name}: ok: " + ", ".join(f"{key} {value}" for key, value in figures.items()))


@contextlib.contextmanager
def world(options):
    """A `Sluice` whose folder stays on a violation if that is wanted."""
    with Sluice() as made:
        try:
            yield made
        except BaseException:
            if options.keep:
                for service in Service.all:
                    service.keep_words()
                kept = made.tmp.with_name(made.tmp.name + "-kept")
                made.tmp.rename(kept)
                print(f"kept in {kept}", flush=True)
            raise


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Service:
    """One `sluice` that is killed and started again, always with the same arguments."""

    all = []

    def __init__(self, sluice, name, arguments, ready=None, **how):
        self._sluice, self.name, self._arguments, self._ready, self._how = sluice, name, arguments, ready, how
        self.process = None
        self.starts = self.kills = 0
        Service.all.append(self)

    def start(self, *more):
        self.process = self._sluice.start([*self._arguments, *more], **self._how)
        self.starts += 1

    def await_ready(self):
        self.process.errors.wait_for(self._ready)

    def kill(self):
        """Ends it as a crash would; it must have been alive."""
        self.must_run()
        self.process.kill()
        self.kills += 1
        self.keep_words()

    def stop(self, code=0, timeout=120):
        """Ends it in order; it must have been alive and end with `code`."""
        self.must_run()
        self.process.signal(signal.SIGTERM)
        ended = self.process.wait(timeout)
        if ended != code:
            raise Violation(f"{self.name} ended with {ended} instead of {code} on SIGTERM: {self.last_words()}")

    def must_run(self):
        if not self.process.is_running:
            raise Violation(f"{self.name} has ended by itself with {self.process.wait()}: {self.last_words()}")

    def last_words(self, count=15):
        return "\n    ".join(self.process.errors.lines()[-count:])

    def keep_words(self):
        """Writes down what the present process has said."""
        with (self._sluice.tmp / f"{self.name}.log").open("a") as log:
            log.writelines(f"{self.starts}: {line}\n" for line in self.process.errors.lines())


def receiver_service(sluice, port, store, *arguments, **how):
    return Service(sluice, f"receiver of {pathlib.Path(store).name}",
                   ["receive", "--listen", f"tcp://127.0.0.1:{port}", "--store", store, *arguments],
                   ready="listening on", **how)


class NumberedLines:
    """Lines with a number, of very different lengths, the same for the same seed.

    The number comes last digit first, so that no two lines near each other begin alike: what a file is recognised by.
    """

    def __init__(self, seed):
        self._random = random.Random(seed)
        words = [f"{self._random.getrandbits(32):x}" for _ in range(4000)]
        text = " ".join(self._random.choice(words) for _ in range(40_000)).encode()
        self._text = text + bytes(range(11, 256)) * 8
        self.made = 0

    def make(self):
        self.made += 1
        dice = self._random.random()
        if dice < 0.9:
            size = self._random.randrange(20, 160)
        elif dice < 0.98:
            size = 0
        elif dice < 0.9995:
            size = self._random.randrange(200, 4000)
        else:
            size = self._random.randrange(10_000, 200_000)
        at = self._random.randrange(0, max(1, len(self._text) - size))
        return (b"%010d" % self.made)[::-1] + b" " + self._text[at:at + size] + b"\n"


class Killer:
    """Kills services at random moments of the progress of something, and starts them again, at once or after a pause.

    It has no thread of its own: `setpriv --pdeathsig` ends a process together with the thread that has started it.
    """

    def __init__(self, services, kills, progress, seed):
        pick = random.Random(seed)
        moments = sorted(pick.random() for _ in range(kills))
        self._plan = collections.deque((moment, pick.choice(services), pick.uniform(0, 0.4),
                                        pick.choice((0, 0, 0.1, 0.5, 2))) for moment in moments)
        self._progress = progress
        self._next = None  # when the next kill is due
        self._restarts = {}  # when services are started again

    def tick(self):
        """Does what is due. Call every few milliseconds."""
        now = time.monotonic()
        for service in [x for x, due in self._restarts.items() if due <= now]:
            del self._restarts[service]
            service.start()
        if not self._plan or self._progress() < self._plan[0][0]:
            return
        _, service, delay, pause = self._plan[0]
        self._next = self._next or now + delay
        if now < self._next or service in self._restarts:
            return
        self._plan.popleft()
        self._next = None
        service.kill()
        self._restarts[service] = now + pause

    def is_done(self):
        return not self._plan and not self._restarts


def kill_while(threads, *killers):
    """Lets `threads` come to their end and all killers do their work."""
    while any(thread.is_alive() for thread in threads) or not all(killer.is_done() for killer in killers):
        for killer in killers:
            killer.tick()
        for thread in threads:
            if thread.failure:
                raise thread.failure
        time.sleep(0.005)


def query(store, *arguments):
    """What a query prints; it must end with 0."""
    done = subprocess.run([support.BINARY, "query", "--store", store, *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise Violation(f"query {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def query_to_file(store, target, *arguments):
    with open(target, "wb") as out:
        done = subprocess.run([support.BINARY, "query", "--store", store, *arguments], stdout=out,
                              stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Violation(f"query ended with {done.returncode}: {done.stderr.decode()}")
    return done.stderr.decode()


def await_line(store, text, services, patience=PATIENCE):
    """Waits until a line that contains `text` is stored."""
    until = time.monotonic() + patience
    while True:
        for service in services:
            service.must_run()
        if int(query(store, "--output", "count", "--contains", text)) > 0:
            return
        if time.monotonic() > until:
            said = "".join(f"\n  {service.name}:\n    {service.last_words()}" for service in services)
            raise Violation(f"'{text}' was not stored within {patience} s{said}")
        time.sleep(0.3)


def verify(store):
    """Counts of `store verify`, which must find no problem."""
    done = subprocess.run([support.BINARY, "store", "verify", store], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) segments?, (\d+) frames?, (\d+) records?.* (\d+) problems?\b", done.stdout)
    if done.returncode != 0 or not found or found[4] != "0":
        raise Violation(f"store verify ended with {done.returncode}: {done.stdout}{done.stderr}")
    return {"segments": int(found[1]), "frames": int(found[2])}


def first_difference(one, other, block=1 << 22):
    """Where two files differ first, and what stands there; none if they are the same."""
    with open(one, "rb") as a, open(other, "rb") as b:
        at = 0
        while True:
            x, y = a.read(block), b.read(block)
            if x != y:
                found = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))
                return at + found, x[max(0, found - 60):found + 60], y[max(0, found - 60):found + 60]
            if not x:
                return None
            at += len(x)


def number_of(line):
    """The number of a line of `NumberedLines`; none if it has lost its beginning."""
    return int(line[:10][::-1]) if re.match(rb"\d{10} ", line) else None


def account(written, stored):
    """How many whole numbered lines are missing, doubled, out of order or not as they were: two files."""
    with open(written, "rb") as file:
        expected = file.read().split(b"\n")
    with open(stored, "rb") as file:
        found = file.read().split(b"\n")
    seen = collections.Counter(found)
    missing = [line for line in expected if seen[line] == 0]
    doubled = [line for line in expected if line and seen[line] > 1]
    known = set(expected)
    foreign = [line for line in found if line not in known]
    numbers = [n for line in found if line in known and (n := number_of(line)) is not None]
    unordered = sum(1 for a, b in zip(numbers, numbers[1:]) if b <= a)
    examples = {"missing": missing[:3], "doubled": doubled[:3], "foreign": foreign[:3]}
    return (f"{len(missing)} missing, {len(doubled)} doubled, {len(foreign)} foreign, {unordered} steps back; "
            + "; ".join(f"{k}: {[x[:60] for x in v]}" for k, v in examples.items() if v))


def must_be_same(written, stored):
    if os.path.getsize(written) == os.path.getsize(stored) and not first_difference(written, stored):
        return
    at, a, b = first_difference(written, stored)
    raise Violation(f"{os.path.getsize(stored)} bytes are stored of {os.path.getsize(written)} written, different from "
                    f"byte {at} on: written {a!r}, stored {b!r}; {account(written, stored)}")

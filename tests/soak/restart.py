#!/usr/bin/env python3
"""How long a receiver takes to start again, against the size of its store.

    tests/soak/restart.py [--gigabytes 5] [--steps 5]

Fills the store step by step, kills the receiver with `kill -9` after each, starts it again with nothing of the store cached, and measures the time until it
listens and until it has answered a shipper (which has nothing new). Both must stay below a second and not grow with the
store. Needs as much disk as the store, and the file that is shipped (1 GB).
"""

import os
import random
import statistics
import time

from harness import Violation, free_port, main, parser, receiver_service, verify, world

LIMIT = 1.0  # seconds


def make_file(path, megabytes, seed):
    pick = random.Random(seed)
    with open(path, "wb") as out:
        for _ in range(megabytes):
            block = pick.randbytes(999_999).replace(b"\n", b"\r")
            out.write(b"\n".join(block[i:i + 250] for i in range(0, len(block), 250)) + b"\n")
    return path


def forget_cached(store):
    """Lets the kernel forget what it has cached of the store, so that a start reads from the disk."""
    for path in store.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(sluice, receiver, store, known, times):
    """Seconds from start to listening, and to the end of a shipper that is told it has nothing to do."""
    listening, answered = [], []
    for _ in range(times):
        receiver.kill()
        forget_cached(store)
        started = time.monotonic()
        receiver.start()
        receiver.await_ready()
        listening.append(time.monotonic() - started)
        sluice.ship(receiver.url, known, state="state-known")
        answered.append(time.monotonic() - started)
    return statistics.median(listening), max(listening), statistics.median(answered)


def run(options):
    with world(options) as sluice:
        store, port = sluice.tmp / "store", free_port()
        receiver = receiver_service(sluice, port, store, "--durability", options.durability)
        receiver.url = f"tcp://127.0.0.1:{port}"
        receiver.start()
        receiver.await_ready()
        known = sluice.file("known", b"one line\n")
        sluice.ship(receiver.url, known, state="state-known")
        per_step = options.gigabytes * 1000 // options.steps
        rows = []
        for step in range(options.steps):
            source = make_file(sluice.tmp / "big", per_step, options.seed + step)
            sluice.ship(receiver.url, source, "--compression", "none", state=f"state-{step}")
            source.unlink()
            size = sum(path.stat().st_size for path in store.iterdir())
            rows.append((size / 1e9, *measure(sluice, receiver, store, known, options.times)))
            print("  {:.2f} GB: listens after {:.3f} s (worst {:.3f}), a shipper is done after {:.3f} s".format(*rows[-1]),
                  flush=True)
        receiver.stop()
        verify(store)
        worst = max(row[2] for row in rows)
        if worst >= LIMIT:
            raise Violation(f"a start took {worst:.2f} s")
        # What is left to read is the active segment, at most one: where it stands decides, not the size of the store.
        if rows[-1][1] > 2 * max(row[1] for row in rows[:2]) + 0.2:
            raise Violation(f"the time to start grows with the store: {rows}")
        return {"GB": f"{rows[-1][0]:.2f}", "seconds until it listens": f"{rows[-1][1]:.3f}", "worst": f"{worst:.3f}",
                "with the smallest store": f"{rows[0][1]:.3f}", "seconds until a shipper is done": f"{rows[-1][3]:.3f}"}


def arguments(given=None):
    made = parser(__doc__)
    made.add_argument("--gigabytes", type=int, default=5, help="of the store in the end (default: %(default)s)")
    made.add_argument("--steps", type=int, default=5, help="at which it is measured (default: %(default)s)")
    made.add_argument("--times", type=int, default=3, help="kills per step (default: %(default)s)")
    made.add_argument("--durability", default="fsync", help="of the receiver (default: %(default)s)")
    return made.parse_args(given)


if __name__ == "__main__":
    main(run, arguments())

#!/usr/bin/env python3
"""Fills the disk below the store, and below the spool, and frees it again.

    tests/soak/full_disk.py [--size 64] [--rounds 3]

On a tmpfs of its own (in a mount namespace; it says so and ends with 0 where that is not allowed):

store       the store stops at 90 %, says so on the log and to the shipper, which waits; a ballast file is removed;
            everything arrives, and `ship` ends with 0. In each second round others fill the disk to the last byte while
            the receiver writes, so that writes fail with ENOSPC.
spool       `ship -` spools to the full disk while no receiver is there: the pipe must stop, nothing may end; then a
            receiver comes, and everything arrives.
"""

import os
import pathlib
import subprocess
import sys
import threading
import time

from harness import (Service, Violation, free_port, main, must_be_same, parser, query_to_file, receiver_service, verify,
                     world)
from support import noise

MB = 1_000_000
PATIENCE = 120
COMMIT_MB = 8  # what a store writes at most without looking at the disk


def in_namespace():
    """Starts this program again in a mount namespace of its own, or tells why that cannot be."""
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        return probe.stderr.strip() or "unshare -m failed"
    command = ["unshare", "-m", "--propagation", "private", "--", sys.executable, *sys.argv, "--inside"]
    os.execvp(command[0], command)


def used_percent(folder):
    space = os.statvfs(folder)
    return 100 - 100 * space.f_bavail / space.f_blocks


def fill(path, percent):
    """Writes zeros until the disk is used so much, or to the last byte with 100."""
    with open(path, "ab", buffering=0) as ballast:
        block = bytes(64 * 1024)
        while used_percent(path.parent) < percent:
            try:
                ballast.write(block)
            except OSError:
                return


def wait_for(condition, what, *services, patience=PATIENCE):
    until = time.monotonic() + patience
    while not condition():
        for service in services:
            service.must_run()
        if time.monotonic() > until:
            raise Violation(f"{what}: not within {patience} s" + "".join(
                f"\n  {service.name}:\n    {service.last_words()}" for service in services))
        time.sleep(0.1)


def complaints(service, *words):
    return [line for line in service.process.errors.lines() if all(word in line for word in words)]


def full_store(sluice, disk, options, number):
    """One round; `disk` is empty, and is given back so."""
    to_the_last_byte = number % 2 == 1
    data = noise(int(options.size * MB * 0.6), options.seed + number)
    source, store, ballast = sluice.file(f"log-{number}", data), disk / "store", disk / "ballast"
    fill(ballast, 55)
    port = free_port()
    receiver = receiver_service(sluice, port, store)
    shipper = Service(sluice, "shipper", sluice.ship_arguments(
        f"tcp://127.0.0.1:{port}", source, "--compression", "none", "--batch-bytes", "64KiB", state=f"state-{number}"))
    receiver.start()
    receiver.await_ready()
    shipper.start()
    if to_the_last_byte:
        wait_for(lambda: used_percent(disk) > 70, "the store grows", receiver, shipper)
        fill(ballast, 100)
    wait_for(lambda: complaints(receiver, "full") or complaints(receiver, "No space"), "the receiver says that it is full",
             receiver, shipper)
    wait_for(lambda: complaints(shipper, "full") or complaints(shipper, "No space"), "the shipper says why it waits",
             receiver, shipper)
    at_most = used_percent(disk)
    most = 91 + 100 * COMMIT_MB / options.size
    if not to_the_last_byte and at_most > most:
        raise Violation(f"the store has filled the disk to {at_most:.0f} %")
    time.sleep(2)
    receiver.must_run()
    shipper.must_run()
    ballast.unlink()
    freed = time.monotonic()
    code = shipper.process.wait(PATIENCE)
    took = time.monotonic() - freed
    if code != 0:
        raise Violation(f"`ship` ended with {code} after space was freed: {shipper.last_words()}")
    if not complaints(shipper, "sluice ship:", "acknowledged"):
        raise Violation(f"`ship` does not say what was acknowledged: {shipper.last_words()}")
    receiver.must_run()
    said_free = [line for line in receiver.process.errors.lines() if "accept" in line or "again" in line]
    if not said_free:
        raise Violation(f"the receiver does not say that it accepts again: {receiver.last_words()}")
    receiver.stop()
    verify(store)
    query_to_file(store, sluice.tmp / "stored")
    must_be_same(source, sluice.tmp / "stored")
    return at_most, took


def full_spool(sluice, disk, options):
    data = noise(int(options.size * MB * 2), options.seed)
    source = sluice.file("spooled", data)
    port, store = free_port(), sluice.tmp / "spool-store"
    read_end, write_end = os.pipe()
    shipper = Service(sluice, "shipper", ["ship", "--to", f"tcp://127.0.0.1:{port}", "--state", disk / "state", "-",
                                          "--compression", "none", "--deadline", "10m"], stdin=read_end)
    shipper.start()
    fed = [0]

    def feed():
        view = memoryview(data)
        try:
            while view:
                done = os.write(write_end, view[:1 << 16])
                view = view[done:]
                fed[0] += done
        except BrokenPipeError:
            pass
        os.close(write_end)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    os.close(read_end)
    wait_for(lambda: used_percent(disk) > 85, "the spool grows", shipper)

    def has_stopped():
        before = fed[0]
        time.sleep(1)
        return fed[0] == before

    wait_for(has_stopped, "the pipe stops", shipper)
    taken = fed[0]
    if not complaints(shipper, "full") and not complaints(shipper, "No space"):
        raise Violation(f"the shipper does not say that its spool is full: {shipper.last_words()}")
    receiver = receiver_service(sluice, port, store)
    receiver.start()
    receiver.await_ready()
    feeder.join(PATIENCE)
    code = shipper.process.wait(PATIENCE)
    if code != 0:
        raise Violation(f"`ship -` ended with {code}: {shipper.last_words()}")
    receiver.stop()
    verify(store)
    query_to_file(store, sluice.tmp / "stored")
    must_be_same(source, sluice.tmp / "stored")
    return taken


def run(options):
    with world(options) as sluice:
        figures = {}
        for number in range(options.rounds if options.only != "spool" else 0):
            disk = sluice.tmp / f"disk-{number}"
            with mounted(disk, options.size):
                percent, took = full_store(sluice, disk, options, number)
            figures[f"round {number + 1}"] = f"stopped at {percent:.0f} % and done {took:.1f} s after space was freed"
        if options.only != "store":
            disk = sluice.tmp / "disk-spool"
            with mounted(disk, options.size):
                figures["MB spooled before the pipe stopped"] = full_spool(sluice, disk, options) // MB
        return figures


class mounted:
    def __init__(self, disk, megabytes):
        self._disk, self._size = pathlib.Path(disk), megabytes

    def __enter__(self):
        self._disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._size}m", "tmpfs", self._disk], check=True)

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self._disk], check=True)


def arguments(given=None):
    made = parser(__doc__)
    made.add_argument("--size", type=int, default=64, help="of the disk, in MB (default: %(default)s)")
    made.add_argument("--rounds", type=int, default=4, help="with the store on it (default: %(default)s)")
    made.add_argument("--only", choices=("store", "spool"), help="one of both")
    made.add_argument("--inside", action="store_true", help="the mount namespace is there already")
    return made.parse_args(given)


if __name__ == "__main__":
    chosen = arguments()
    if not chosen.inside:
        print(f"full_disk: skipped: {in_namespace()}")
        sys.exit(0)
    main(run, chosen)

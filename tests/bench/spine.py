#!/usr/bin/env python3
"""What shipping and storing a file costs, against compressing it with zstd -1, in one run.

    tests/bench/spine.py [--rounds 5] [--bytes 1000000000] [--lane tcp] SOURCE...

The sources (files or folders) are repeated until the file to ship has the wanted size. Each round runs `zstd -1 -c FILE`, then a
receiver (durability fsync) and a shipper, and compares the CPU seconds (user and system, children included) of the two
Sluice processes with those of zstd. Medians of all rounds, and their range as the noise of the machine.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile


def cpu_of(process):
    """CPU seconds and peak memory (MB) of a process that is about to end, and its exit status."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000, process.returncode


def make_file(where, sources, wanted):
    paths = []
    for source in sources:
        paths += sorted(p for p in source.rglob("*.log")) if source.is_dir() else [source]
    text = b"".join(path.read_bytes() for path in paths)
    if not text:
        sys.exit("spine.py: the sources are empty")
    with where.open("wb") as out:
        for _ in range(-(-wanted // len(text))):
            out.write(text)


def measure(sluice, bare_loop, lane, log, work):
    compressed = work / "zst"
    with compressed.open("wb") as out:
        zstd, _, _ = cpu_of(subprocess.Popen(["zstd", "-1", "-q", "-c", log], stdout=out))
    bare, _, failed = cpu_of(subprocess.Popen([bare_loop, log, work / "bare"]))
    if failed:
        sys.exit(f"spine.py: bare_loop ended with {failed}")
    store = work / "store"
    receiver = subprocess.Popen(
        [sluice, "receive", "--listen", f"{lane}://127.0.0.1:0", "--store", store], stderr=subprocess.PIPE, text=True)
    address = None
    for line in receiver.stderr:
        if found := re.search(r"listening on (\S+)", line):
            address = found[1]
            break
    if address is None:
        sys.exit("spine.py: the receiver did not start")
    shipper = subprocess.Popen(
        [sluice, "ship", log, "--to", address, "--state", work / "state", "--deadline", "5m"], stderr=subprocess.PIPE)
    ship, ship_memory, failed = cpu_of(shipper)
    if failed:
        sys.exit(f"spine.py: ship ended with {failed}: {shipper.stderr.read().decode()}")
    receiver.send_signal(signal.SIGTERM)
    receive, receive_memory, _ = cpu_of(receiver)
    stored = sum(path.stat().st_size for path in store.iterdir())
    result = {
        "zstd": zstd, "bare": bare / zstd, "ship": ship, "receive": receive, "ratio": (ship + receive) / zstd,
        "store": stored / compressed.stat().st_size, "ship_memory": ship_memory, "receive_memory": receive_memory,
    }
    shutil.rmtree(store)
    shutil.rmtree(work / "state")
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=1_000_000_000)
    parser.add_argument("--lane", choices=("tcp", "udp"), default="tcp")
    parser.add_argument("--sluice", type=pathlib.Path, default=pathlib.Path("build/release/sluice"))
    parser.add_argument("--bare-loop", type=pathlib.Path, default=pathlib.Path("build/release/tests/bare_loop"))
    parser.add_argument("sources", nargs="+", type=pathlib.Path, metavar="SOURCE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        work = pathlib.Path(folder)
        log = work / "log"
        make_file(log, options.sources, options.bytes)
        rounds = []
        for number in range(options.rounds):
            rounds.append(measure(options.sluice, options.bare_loop, options.lane, log, work))
            print(f"round {number + 1}: " + "  ".join(f"{k} {v:.2f}" for k, v in rounds[-1].items()), flush=True)
        print(f"\n{log.stat().st_size} bytes, medians of {len(rounds)} rounds (least to greatest):")
        for key, unit in (("zstd", "CPU s"), ("ship", "CPU s"), ("receive", "CPU s"), ("ratio", "of zstd -1's CPU"),
                          ("bare", "of zstd -1's CPU, the same work in a bare loop"),
                          ("store", "of zstd -1's output"), ("ship_memory", "MB"), ("receive_memory", "MB")):
            values = [x[key] for x in rounds]
            print(f"{key:15} {statistics.median(values):8.3f} {unit}  ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()

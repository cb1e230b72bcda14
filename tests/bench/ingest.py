#!/usr/bin/env python3
"""What it costs to receive syslog into the durable, compressed store, and whether anything is lost.

    tests/bench/ingest.py [--rounds 5] [--lane tcp|tls|udp ...] [--rate N ...] [--seconds 20] [--bytes N]

Each round starts `sluice receive`, sends numbered RFC 5424 messages (`syslog_load`), stops the receiver with SIGTERM and compares what was
sent with what is stored, number by number, and with what was counted as dropped. Prints CPU seconds (user and system) of the
receiver per million messages: medians of all rounds, and their range as the noise of the machine. A round of `tls` is one over TCP and one over
TLS, now this and now that first, and what TLS adds is told for each such pair. Ends with 1 if a message is neither stored nor counted
as dropped, or stored twice.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading


def certificate(folder):
    """The options that name one, of our own."""
    cert, key = folder / "server.crt", folder / "server.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True, stderr=subprocess.DEVNULL)
    return ["--cert", cert, "--key", key]


def start_receiver(sluice, lane, store, log):
    process = subprocess.Popen([sluice, "receive", "--listen", f"syslog+{lane}://127.0.0.1:0", "--store", store,
                                *(certificate(store.parent) if lane == "tls" else [])], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        log.append(line)
        if found := re.search(r"listening on syslog\S+:(\d+)$", line.strip()):
            threading.Thread(target=lambda: log.extend(process.stderr), daemon=True).start()
            return process, found[1]
    sys.exit("ingest.py: the receiver did not start: " + "".join(log))


def stop(process):
    """CPU seconds and peak memory (MB)."""
    process.send_signal(signal.SIGTERM)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"ingest.py: the receiver ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def stored_numbers(sluice, store, sent):
    """How many numbers are stored, each counted once, and how many more than once."""
    query = subprocess.Popen([sluice, "query", "--store", store], stdout=subprocess.PIPE)
    seen, again = bytearray(sent), 0
    for body in query.stdout:
        number = int(body[:12])
        again += seen[number]
        seen[number] = 1
    if query.wait():
        sys.exit("ingest.py: the store cannot be read")
    return sum(seen), again


def measure(options, lane, rate, work):
    store, log = work / "store", []
    receiver, port = start_receiver(options.sluice, lane, store, log)
    size = options.bytes or (250 if lane == "udp" else 238)
    load = subprocess.run([options.load, lane, port, str(size), rate, str(options.seconds)], stdout=subprocess.PIPE,
                          check=True)
    sent = json.loads(load.stdout)
    cpu, memory = stop(receiver)
    stored, again = stored_numbers(options.sluice, store, sent["sent"])
    dropped = sum(int(x) for x in re.findall(r"(\d+) records? dropped", "".join(log)))
    result = {"sent": sent["sent"], "rate": sent["sent"] / sent["seconds"], "stored": stored, "doubled": again,
              "dropped": dropped, "unknown": sent["sent"] - stored - dropped, "cpu": cpu / stored * 1e6,
              "memory": memory, "bytes": sum(x.stat().st_size for x in store.iterdir()) / (stored * size)}
    shutil.rmtree(store)
    return result


def one_round(options, lane, rate):
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        found = measure(options, lane, rate, pathlib.Path(work))
    print(f"{lane} {rate}: " + ", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items()),
          flush=True)
    return found


def median_and_range(figures):
    return f"{statistics.median(figures):.3f} ({min(figures):.3f} to {max(figures):.3f})"


def summary(name, rounds):
    """Whether every message is accounted for."""
    for key, unit in (("cpu", "CPU s per million stored"), ("rate", "messages/s"), ("memory", "MB"),
                      ("bytes", "bytes stored per byte")):
        print(f"{name}: {median_and_range([x[key] for x in rounds])} {unit}")
    lost = {key: sum(x[key] for x in rounds) for key in ("dropped", "unknown", "doubled")}
    print(f"{name}: of {sum(x['sent'] for x in rounds)} sent " + ", ".join(f"{v} {k}" for k, v in lost.items()))
    return lost["unknown"] == lost["doubled"] == 0


def compare_tls(options, rate):
    pairs = []
    for i in range(options.rounds):
        order = ["tcp", "tls"] if i % 2 == 0 else ["tls", "tcp"]
        pairs.append({lane: one_round(options, lane, rate) for lane in order})
    good = [summary(f"{lane} {rate}", [x[lane] for x in pairs]) for lane in ("tcp", "tls")]
    cpu = [(x["tcp"]["cpu"], x["tls"]["cpu"]) for x in pairs]
    print(f"tls - tcp: {median_and_range([tls - tcp for tcp, tls in cpu])} CPU s per million stored")
    print(f"tls / tcp: {median_and_range([tls / tcp for tcp, tls in cpu])}")
    return all(good)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lane", choices=["tcp", "tls", "udp"], action="append")
    parser.add_argument("--rate", action="append", help="messages a second, or max")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--bytes", type=int, default=0, help="of a message; 250 over UDP and 238 else if not given")
    parser.add_argument("--sluice", type=pathlib.Path, default=pathlib.Path("build/release/sluice"))
    parser.add_argument("--load", type=pathlib.Path, default=pathlib.Path("build/release/tests/syslog_load"))
    parser.add_argument("--work", type=pathlib.Path, help="folder for the store; a temporary one if not given")
    options = parser.parse_args()
    good = []
    for lane in options.lane or ["tls", "udp"]:
        for rate in options.rate or (["200000", "300000"] if lane == "udp" else ["max"]):
            if lane == "tls":
                good.append(compare_tls(options, rate))
            else:
                good.append(summary(f"{lane} {rate}", [one_round(options, lane, rate) for _ in range(options.rounds)]))
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()

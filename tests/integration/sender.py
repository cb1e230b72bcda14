"""Senders that are not ours: what they send, what receives it, and how they are started."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from support import DEADLINE, WITH_US, is_sanitized

RECORDS = 20_000 if is_sanitized() else 100_000
CONFIGS = pathlib.Path(__file__).parent / "senders"
SYSLOG_NG = pathlib.Path(__file__).resolve().parents[2] / "build" / "syslog-ng" / "usr"  # deploy/setup
DROPPED = re.compile(r"(\d+) records? dropped \(socket_buffer\)")


def needs(what, is_there):
    return pytest.mark.skipif(not is_there, reason=f"{what} is not installed")


needs_rsyslog = needs("rsyslog", shutil.which("rsyslogd"))
needs_syslog_ng = pytest.mark.skipif(not SYSLOG_NG.exists(), reason="deploy/setup has not fetched syslog-ng")


class Intake:
    """A receiver of one lane, and what it has taken in."""

    def __init__(self, sluice, lane, *arguments):
        self._sluice = sluice
        self._is_lossy = lane.endswith("udp")
        self._receiver = sluice.receiver("store", "--listen", f"{lane}://127.0.0.1:0", *arguments)
        found = self._receiver.errors.wait_for(rf"listening on {re.escape(lane)}://127\.0\.0\.1:(\d+)")
        self.port = int(found.group(1))

    def signal(self, number):
        self._receiver.signal(number)

    def await_stored(self, count=RECORDS):
        """Waits until so many are stored, or as many fewer as it says were dropped before it had them."""
        until = time.monotonic() + DEADLINE
        while True:
            asked = time.monotonic()
            stored, dropped = self._sluice.count(self._receiver), self.dropped()
            if stored + dropped >= count:
                return
            assert asked < until, f"{stored} records are stored, {dropped} dropped"
            time.sleep(max(0.1, time.monotonic() - asked))  # asking shall not be what keeps the machine busy

    def dropped(self):
        return sum(int(x) for x in DROPPED.findall("\n".join(self._receiver.errors.lines())))

    def records(self):
        """All, once it has stopped."""
        assert self._receiver.stop() == 0, self._receiver
        return [json.loads(x) for x in self._sluice.query(self._receiver, "--output", "json").splitlines()]

    def least(self, sent):
        """How many of `sent` datagrams must have come. Half, if the socket has the buffer that it should; a smaller one
        takes a part of a burst that depends on the machine."""
        return sent // 2 if not self._receiver.complaints("the socket's buffer has") else 1

    def expect(self, bodies, body=lambda record: record["body"], least=None, severity=None, **attributes):
        """Exactly these came, each once, but for what the kernel is said to have dropped of datagrams."""
        found = self.records()
        assert len(found) + self.dropped() == len(bodies)
        assert self._is_lossy or self.dropped() == 0
        assert len(found) >= (self.least(len(bodies)) if least is None else least)
        assert {body(x) for x in found} <= set(bodies)
        assert len({body(x) for x in found}) == len(found)
        for x in found:
            assert x.get("severity") == severity, x
            assert {key: x["attributes"].get(key) for key in attributes} == attributes, x


def messages(sender, count=RECORDS):
    """Different lengths, some beginning with digits, brackets and colons; a few not ASCII."""
    texts = ["plain", "5 <13>no count", "[x] y: z", "käse ☃", "a=\"b\\c\" ]"]
    return [f"{sender} {i} {texts[i % len(texts)]} {'x' * (i % 200)}end" for i in range(count)]


def message_file(sluice, bodies):
    return sluice.file("messages", ("\n".join(bodies) + "\n").encode())


def run(*command, **how):
    """Runs a sender to its end; gives back what it says."""
    done = subprocess.run(list(map(str, [*WITH_US, *command])), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(errors="replace")


class Daemon:
    """A sender with a configuration file of its own; ends with the test."""

    def __init__(self, command, env=None):
        self._process = subprocess.Popen(list(map(str, [*WITH_US, *command])), env=env, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(DEADLINE)


def configuration(sluice, name, **values):
    text = (CONFIGS / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return sluice.file(name, text.encode())


def rsyslog(sluice, name, **values):
    config = configuration(sluice, name, folder=sluice.tmp, **values)
    return Daemon(["rsyslogd", "-n", "-f", config, "-i", sluice.tmp / "rsyslog.pid"])


def syslog_ng_environment():
    libraries = f"{SYSLOG_NG}/lib/syslog-ng:{SYSLOG_NG}/lib/{os.uname().machine}-linux-gnu"
    return {**os.environ, "SYSLOGNG_PREFIX": str(SYSLOG_NG), "LD_LIBRARY_PATH": libraries}


def syslog_ng(sluice, name, **values):
    config = configuration(sluice, name, **values)
    files = [f"--{key}={sluice.tmp}/syslog-ng.{end}"
             for key, end in (("persist-file", "persist"), ("pidfile", "pid"), ("control", "ctl"))]
    return Daemon([SYSLOG_NG / "sbin" / "syslog-ng", "--foreground", f"--cfgfile={config}", *files],
                  env=syslog_ng_environment())

"""Syslog from senders that are not ours: each brings 100,000 records whole."""

import json
import logging
import logging.handlers
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

from certificates import Authority
from support import DEADLINE, WITH_US

RECORDS = 100_000
CONFIGS = pathlib.Path(__file__).parent / "senders"
SYSLOG_NG = pathlib.Path(__file__).resolve().parents[2] / "build" / "syslog-ng" / "usr"  # deploy/setup
DROPPED = re.compile(r"(\d+) records? dropped \(socket_buffer\)")

needs_logger = pytest.mark.skipif(not shutil.which("logger"), reason="logger is not installed")
needs_rsyslog = pytest.mark.skipif(not shutil.which("rsyslogd"), reason="rsyslog is not installed")
needs_rsyslog_tls = pytest.mark.skipif(not list(pathlib.Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")),
                                       reason="rsyslog-openssl is not installed")
needs_syslog_ng = pytest.mark.skipif(not SYSLOG_NG.exists(), reason="deploy/setup has not fetched syslog-ng")


class Intake:
    """A receiver of syslog over one protocol."""

    def __init__(self, sluice, protocol, *arguments):
        self._sluice = sluice
        self.protocol = protocol
        self._receiver = sluice.receiver("store", "--listen", f"syslog+{protocol}://127.0.0.1:0", *arguments)
        found = self._receiver.errors.wait_for(rf"listening on syslog\+{protocol}://127\.0\.0\.1:(\d+)")
        self.port = int(found.group(1))

    def await_stored(self, count=RECORDS):
        """Waits until so many are stored, or as many fewer as it says were dropped before it had them."""
        until = time.monotonic() + DEADLINE
        while (stored := self._sluice.count(self._receiver)) + self.dropped() < count:
            assert time.monotonic() < until, f"{stored} records are stored, {self.dropped()} dropped"
            time.sleep(0.1)

    def dropped(self):
        return sum(int(x) for x in DROPPED.findall("\n".join(self._receiver.errors.lines())))

    def records(self):
        """All, once it has stopped."""
        assert self._receiver.stop() == 0, self._receiver
        return [json.loads(x) for x in self._sluice.query(self._receiver, "--output", "json").splitlines()]

    def expect(self, bodies, severity, **attributes):
        """Exactly these came, but for what the kernel is said to have dropped of datagrams."""
        found = self.records()
        assert len(found) + self.dropped() == len(bodies)
        assert self.protocol == "udp" or self.dropped() == 0
        assert len(found) > len(bodies) // 2
        place = {body: i for i, body in enumerate(bodies)}
        places = [place[x["body"]] for x in found]
        assert len(set(places)) == len(places)
        for x in found:
            assert x["severity"] == severity, x
            assert {key: x["attributes"].get(key) for key in attributes} == attributes, x


@pytest.fixture
def tls_intake(sluice):
    """One that demands certificates; with the authority, and the certificate and key of a client."""
    authority = Authority(sluice.tmp)
    cert, key = authority.issue("server")
    intake = Intake(sluice, "tls", "--cert", cert, "--key", key, "--client-ca", authority.ca)
    return intake, authority.ca, *authority.issue("client")


def messages(sender):
    """Different lengths, some beginning with digits, brackets and colons; a few not ASCII."""
    texts = ["plain", "5 <13>no count", "[x] y: z", "käse ☃", "a=\"b\\c\" ]"]
    return [f"{sender} {i} {texts[i % len(texts)]} {'x' * (i % 200)}end" for i in range(RECORDS)]


def run(*command, **how):
    done = subprocess.run(list(map(str, [*WITH_US, *command])), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          timeout=DEADLINE, **how)
    assert done.returncode == 0, done.stderr


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


@needs_logger
@pytest.mark.parametrize("protocol, form", [
    ("tcp", ["--rfc5424"]), ("tcp", ["--rfc3164"]), ("tcp", ["--rfc5424", "--octet-count"]),
    ("udp", ["--rfc5424"]), ("udp", ["--rfc3164"]),
])
def test_logger(sluice, protocol, form):
    intake = Intake(sluice, protocol)
    bodies = messages("logger")
    file = sluice.file("messages", ("\n".join(bodies) + "\n").encode())
    run("logger", f"--{protocol}", "--server", "127.0.0.1", "--port", intake.port, *form, "--tag", "tester",
        "--priority", "local3.warning", "--file", file)
    intake.await_stored()
    intake.expect(bodies, severity="warning", facility="local3", appname="tester")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_python_logging(sluice, protocol):
    intake = Intake(sluice, protocol)
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    handler = logging.handlers.SysLogHandler(("127.0.0.1", intake.port), facility="local5", socktype=kind)
    handler.append_nul = protocol == "udp"
    handler.setFormatter(logging.Formatter("tester: %(message)s" + ("" if protocol == "udp" else "\n")))
    bodies = messages("python")
    try:
        for body in bodies:
            handler.emit(logging.makeLogRecord({"msg": body, "levelno": logging.ERROR, "levelname": "ERROR"}))
    finally:
        handler.close()
    intake.await_stored()
    intake.expect(bodies, severity="error", facility="local5", appname="tester")


@needs_rsyslog
@pytest.mark.parametrize("protocol, framing, template", [
    ("tcp", "traditional", "RSYSLOG_SyslogProtocol23Format"),
    ("tcp", "octet-counted", "RSYSLOG_SyslogProtocol23Format"),
    ("tcp", "traditional", "RSYSLOG_TraditionalForwardFormat"),
    ("udp", "traditional", "RSYSLOG_SyslogProtocol23Format"),
])
def test_rsyslog(sluice, protocol, framing, template):
    intake = Intake(sluice, protocol)
    bodies = messages("rsyslog")
    file = sluice.file("messages", ("\n".join(bodies) + "\n").encode())
    config = configuration(sluice, "rsyslog.conf", folder=sluice.tmp, file=file, port=intake.port, protocol=protocol,
                           framing=framing, template=template)
    with Daemon(["rsyslogd", "-n", "-f", config, "-i", sluice.tmp / "rsyslog.pid"]):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


@needs_rsyslog
@needs_rsyslog_tls
def test_rsyslog_over_tls(sluice, tls_intake):
    intake, ca, cert, key = tls_intake
    bodies = messages("rsyslog")
    file = sluice.file("messages", ("\n".join(bodies) + "\n").encode())
    config = configuration(sluice, "rsyslog-tls.conf", folder=sluice.tmp, file=file, port=intake.port, ca=ca, cert=cert,
                           key=key)
    with Daemon(["rsyslogd", "-n", "-f", config, "-i", sluice.tmp / "rsyslog.pid"]):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


def syslog_ng_environment():
    libraries = f"{SYSLOG_NG}/lib/syslog-ng:{SYSLOG_NG}/lib/{os.uname().machine}-linux-gnu"
    return {**os.environ, "SYSLOGNG_PREFIX": str(SYSLOG_NG), "LD_LIBRARY_PATH": libraries}


def syslog_ng(sluice, config):
    files = [f"--{key}={sluice.tmp}/syslog-ng.{end}"
             for key, end in (("persist-file", "persist"), ("pidfile", "pid"), ("control", "ctl"))]
    return Daemon([SYSLOG_NG / "sbin" / "syslog-ng", "--foreground", f"--cfgfile={config}", *files],
                  env=syslog_ng_environment())


@needs_syslog_ng
@pytest.mark.parametrize("driver", ["network", "syslog"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_syslog_ng(sluice, protocol, driver):
    intake = Intake(sluice, protocol)
    bodies = messages("syslog-ng")
    file = sluice.file("messages", ("\n".join(bodies) + "\n").encode())
    config = configuration(sluice, "syslog-ng.conf", file=file, port=intake.port, protocol=protocol, driver=driver)
    with syslog_ng(sluice, config):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


@needs_syslog_ng
def test_syslog_ng_over_tls(sluice, tls_intake):
    intake, ca, cert, key = tls_intake
    bodies = messages("syslog-ng")
    file = sluice.file("messages", ("\n".join(bodies) + "\n").encode())
    config = configuration(sluice, "syslog-ng-tls.conf", file=file, port=intake.port, ca=ca, cert=cert, key=key)
    with syslog_ng(sluice, config):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


@needs_syslog_ng
@pytest.mark.parametrize("protocol, form", [("tcp", []), ("udp", []), ("tcp", ["--syslog-proto"]),
                                            ("tcp", ["--syslog-proto", "--no-framing"])])
def test_loggen(sluice, protocol, form):
    intake = Intake(sluice, protocol)
    kind = "--stream" if protocol == "tcp" else "--dgram"
    run(SYSLOG_NG / "bin" / "loggen", "--inet", kind, "--number", RECORDS, "--rate", 40_000, "--size", 200,
        "--interval", 60, "--quiet", *form, "127.0.0.1", intake.port, env=syslog_ng_environment())
    intake.await_stored()
    found = intake.records()
    assert len(found) + intake.dropped() == RECORDS
    numbers = [int(re.match(r"seq: (\d+), thread: 0000, runid: \d+, stamp: \S+ P[AD]*", x["body"])[1]) for x in found]
    assert numbers == sorted(set(numbers))
    for x in found:
        about = x["attributes"]
        assert (x["severity"], about["facility"], about["hostname"]) == ("informational", "auth", "localhost")
        assert (about["appname"], about["procid"]) == ("prg00000", "1234")

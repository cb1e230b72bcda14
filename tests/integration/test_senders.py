"""Syslog from senders that are not ours: each brings 100,000 records whole, or 20,000 to a binary with sanitizers."""

import logging
import logging.handlers
import pathlib
import re
import shutil
import signal
import socket

import pytest

from certificates import Authority
from sender import (RECORDS, SYSLOG_NG, Intake, message_file, messages, needs, needs_rsyslog, needs_syslog_ng, rsyslog,
                    run, syslog_ng, syslog_ng_environment)

needs_rsyslog_tls = needs("rsyslog-openssl", list(pathlib.Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")))


@pytest.fixture
def tls_intake(sluice):
    """One that demands certificates; with the authority, and the certificate and key of a client."""
    authority = Authority(sluice.tmp)
    cert, key = authority.issue("server")
    intake = Intake(sluice, "syslog+tls", "--cert", cert, "--key", key, "--client-ca", authority.ca)
    return intake, authority.ca, *authority.issue("client")


@needs("logger", shutil.which("logger"))
@pytest.mark.parametrize("protocol, form", [
    ("tcp", ["--rfc5424"]), ("tcp", ["--rfc3164"]), ("tcp", ["--rfc5424", "--octet-count"]),
    ("udp", ["--rfc5424"]), ("udp", ["--rfc3164"]),
])
def test_logger(sluice, protocol, form):
    intake = Intake(sluice, f"syslog+{protocol}")
    bodies = messages("logger")
    run("logger", f"--{protocol}", "--server", "127.0.0.1", "--port", intake.port, *form, "--tag", "tester",
        "--priority", "local3.warning", "--file", message_file(sluice, bodies))
    intake.await_stored()
    intake.expect(bodies, severity="warning", facility="local3", appname="tester")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_python_logging(sluice, protocol):
    """Of logging.handlers, the one for syslog; that for HTTP is in test_http_senders. The others send pickled objects
    to Python programs, or mail."""
    intake = Intake(sluice, f"syslog+{protocol}")
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


def test_openssl_s_client(sluice, tls_intake):
    """RFC 5425: octet counting over TLS."""
    intake, ca, cert, key = tls_intake
    bodies = messages("openssl")
    said = [f"<13>1 2026-01-02T03:04:05Z host tester - - - {x}".encode() for x in bodies]
    run("openssl", "s_client", "-connect", f"127.0.0.1:{intake.port}", "-servername", "localhost", "-CAfile", ca,
        "-cert", cert, "-key", key, "-verify_hostname", "localhost", "-verify_return_error", "-nocommands",
        input=b"".join(b"%d %s" % (len(x), x) for x in said))
    intake.await_stored()
    intake.expect(bodies, severity="notice", facility="user", hostname="host", appname="tester")


def test_of_datagrams_beyond_what_the_machine_takes_each_lost_one_is_counted(sluice):
    """The receiver is stopped while more come than its socket has room for, and nothing follows them."""
    intake = Intake(sluice, "syslog+udp")
    bodies = messages("burst", 100_000)
    intake.signal(signal.SIGSTOP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", intake.port))
        for body in bodies:
            sender.send(f"<13>1 - host tester - - - {body}".encode())
    intake.signal(signal.SIGCONT)
    intake.await_stored(len(bodies))
    assert intake.dropped() > 0
    intake.expect(bodies, least=1, severity="notice", appname="tester")


@needs_rsyslog
@pytest.mark.parametrize("protocol, framing, template", [
    ("tcp", "traditional", "RSYSLOG_SyslogProtocol23Format"),
    ("tcp", "octet-counted", "RSYSLOG_SyslogProtocol23Format"),
    ("tcp", "traditional", "RSYSLOG_TraditionalForwardFormat"),
    ("udp", "traditional", "RSYSLOG_SyslogProtocol23Format"),
])
def test_rsyslog(sluice, protocol, framing, template):
    intake = Intake(sluice, f"syslog+{protocol}")
    bodies = messages("rsyslog")
    with rsyslog(sluice, "rsyslog.conf", file=message_file(sluice, bodies), port=intake.port, protocol=protocol,
                 framing=framing, template=template):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


@needs_rsyslog
@needs_rsyslog_tls
def test_rsyslog_over_tls(sluice, tls_intake):
    intake, ca, cert, key = tls_intake
    bodies = messages("rsyslog")
    with rsyslog(sluice, "rsyslog-tls.conf", file=message_file(sluice, bodies), port=intake.port, ca=ca, cert=cert,
                 key=key):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


@needs_syslog_ng
@pytest.mark.parametrize("driver", ["network", "syslog"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_syslog_ng(sluice, protocol, driver):
    intake = Intake(sluice, f"syslog+{protocol}")
    bodies = messages("syslog-ng")
    with syslog_ng(sluice, "syslog-ng.conf", file=message_file(sluice, bodies), port=intake.port, protocol=protocol,
                   driver=driver):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


@needs_syslog_ng
def test_syslog_ng_over_tls(sluice, tls_intake):
    intake, ca, cert, key = tls_intake
    bodies = messages("syslog-ng")
    with syslog_ng(sluice, "syslog-ng-tls.conf", file=message_file(sluice, bodies), port=intake.port, ca=ca, cert=cert,
                   key=key):
        intake.await_stored()
    intake.expect(bodies, severity="notice", facility="local2", appname="tester")


@needs_syslog_ng
@pytest.mark.parametrize("protocol, form", [
    ("tcp", ["-iS"]), ("udp", ["-iD"]), ("tcp", ["-iS", "--syslog-proto"]),
    ("tcp", ["-iS", "--syslog-proto", "--no-framing"]), ("tls", ["--use-ssl", "--syslog-proto"]),
])
def test_loggen(sluice, protocol, form):
    cert, key = Authority(sluice.tmp).issue("server")
    intake = Intake(sluice, f"syslog+{protocol}", *(["--cert", cert, "--key", key] if protocol == "tls" else []))
    run(SYSLOG_NG / "bin" / "loggen", "--number", RECORDS, "--rate", 40_000, "--size", 200, "--interval", 60,
        "--quiet", *form, "127.0.0.1", intake.port, env=syslog_ng_environment())
    intake.await_stored()
    found = intake.records()
    assert len(found) + intake.dropped() == RECORDS
    numbers = [int(re.match(r"seq: (\d+), thread: 0000, runid: \d+, stamp: \S+ P[AD]*", x["body"])[1]) for x in found]
    assert numbers == sorted(set(numbers))
    for x in found:
        about = x["attributes"]
        assert (x["severity"], about["facility"], about["hostname"]) == ("informational", "auth", "localhost")
        assert (about["appname"], about["procid"]) == ("prg00000", "1234")

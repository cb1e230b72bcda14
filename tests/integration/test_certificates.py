"""Clients over TLS: refused without a good certificate, and served while certificates are replaced."""

import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from certificates import Authority, tls_connect, tls_receiver
from support import DEADLINE, WITH_US, Proxy, assert_same

LANES = ["tls", "syslog+tls", "https"]


def message(text):
    return f"<13>1 2026-01-02T03:04:05Z host app - - - {text}\n".encode()


def request(text):
    return f"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


# -- who is refused -----------------------------------------------------------

@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("case, reason", [
    ("missing", "the peer shows no certificate, which it must here"),
    ("expired", "the peer's certificate is refused: certificate has expired"),
    ("foreign", "the peer's certificate is refused: unable to get local issuer certificate"),
])
def test_a_client_without_a_good_certificate_is_refused(sluice, authority, lane, case, reason):
    made, port = tls_receiver(sluice, lane, authority.issue("server"), "--client-ca", authority.ca)
    pair = {"missing": lambda: (), "expired": lambda: authority.issue("client", days=-1),
            "foreign": lambda: Authority(sluice.tmp, "stranger").issue("client")}[case]()
    with pytest.raises(OSError), tls_connect(authority, port, *pair) as nobody:
        nobody.sendall(request("no\n") if lane == "https" else message("no"))
        if not nobody.recv(1):  # in TLS 1.3 only this tells
            raise OSError("closed")
    made.errors.wait_for(r"127\.0\.0\.1:\d+.* " + re.escape(reason))
    assert sluice.count(made) == 0


@pytest.mark.parametrize("lane", LANES)
def test_who_speaks_no_tls_is_refused(sluice, authority, lane):
    made, port = tls_receiver(sluice, lane, authority.issue("server"))
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(request("no\n") if lane == "https" else message("no"))
        made.errors.wait_for(r"127\.0\.0\.1:\d+.* the peer does not speak TLS")
    assert sluice.count(made) == 0


# -- new certificates under load ----------------------------------------------

class Load(threading.Thread):
    """Calls `send` with the number of texts before, which delivers some more and gives them back; until stopped."""

    def __init__(self, send):
        super().__init__(daemon=True)
        self._send = send
        self._is_over = threading.Event()
        self.sent, self.failure = [], None
        self.start()

    def run(self):
        try:
            while not self._is_over.is_set():
                self.sent += self._send(len(self.sent))
        except Exception as failure:
            self.failure = failure

    def stop(self):
        self._is_over.set()
        self.join(DEADLINE)
        assert self.failure is None and not self.is_alive(), self.failure
        return self.sent


def shown_serial(authority, port, *pair):
    with tls_connect(authority, port, *pair) as connection:
        return connection.getpeercert()["serialNumber"]


def replace_certificates(authority, made, port, progress, *pair, then=lambda: None):
    """Three times, each while more is sent: `progress` is how much that is by now, `then` is called when a new one is
    in use."""
    serial = shown_serial(authority, port, *pair)
    for _ in range(3):
        sent, until = progress(), time.monotonic() + DEADLINE
        authority.issue("server")
        made.signal(signal.SIGHUP)
        while (shown := shown_serial(authority, port, *pair)) == serial:
            assert time.monotonic() < until, "the new certificate is not used"
        serial = shown
        then()
        while progress() < sent + 60:
            assert time.monotonic() < until, "nothing more is sent"
            time.sleep(0.01)


def test_syslog_loses_nothing_while_certificates_are_replaced(sluice, authority):
    """Senders that connect, say ten messages and close, and one that stays."""
    made, port = tls_receiver(sluice, "syslog+tls", authority.issue("server"))

    def sender(name):
        def send(number):
            texts = [f"{name} {number + i}" for i in range(10)]
            with tls_connect(authority, port) as connection:
                connection.sendall(b"".join(map(message, texts)))
                connection.unwrap()
            return texts
        return Load(send)

    senders = [sender(f"sender-{i}") for i in range(3)]
    with tls_connect(authority, port) as steady:
        steady.sendall(message("before"))
        replace_certificates(authority, made, port, lambda: sum(len(x.sent) for x in senders))
        steady.sendall(message("after"))
        steady.unwrap()
    expected = ["before", "after"] + [text for each in senders for text in each.stop()]
    sluice.await_count(made, len(expected))
    assert sorted(sluice.query(made).decode().splitlines()) == sorted(expected)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_https_loses_nothing_while_certificates_are_replaced(sluice, authority):
    """`curl` again and again, a connection each time; what it was told is stored is there, once."""
    made, port = tls_receiver(sluice, "https", authority.issue("server"))

    def sender(name):
        def send(number):
            texts = [f"{name} {number + i}" for i in range(10)]
            subprocess.run([*WITH_US, "curl", "-sS", "--fail-with-body", "--cacert", authority.ca,
                            "--data-binary", "@-", f"https://localhost:{port}/ingest"],
                           input="\n".join(texts).encode(), check=True, stdout=subprocess.DEVNULL, timeout=DEADLINE)
            return texts
        return Load(send)

    senders = [sender(f"sender-{i}") for i in range(2)]
    replace_certificates(authority, made, port, lambda: sum(len(x.sent) for x in senders))
    expected = [text for each in senders for text in each.stop()]
    assert sorted(sluice.query(made).decode().splitlines()) == sorted(expected)


def test_frames_are_not_lost_while_certificates_of_both_sides_are_replaced(sluice, authority):
    """A shipper follows a file that grows. Its connection is cut each time, so that it meets the new certificates."""
    made, port = tls_receiver(sluice, "tls", authority.issue("server"), "--client-ca", authority.ca)
    cert, key = authority.issue("client")
    path = sluice.file("log", b"")

    def write(number):
        texts = [f"line {number + i}" for i in range(10)]
        with open(path, "a", encoding="ascii") as file:
            file.write("".join(f"{x}\n" for x in texts))
        time.sleep(0.001)
        return texts

    with Proxy(port) as proxy:
        ship = sluice.start_ship(f"tls://localhost:{proxy.port}", path, "--follow", "--ca", authority.ca,
                                 "--cert", cert, "--key", key)
        writer = Load(write)

        def reconnect():
            authority.issue("client")
            connections, until = len(proxy.sent), time.monotonic() + DEADLINE
            proxy.cut()
            while len(proxy.sent) == connections:
                assert time.monotonic() < until, "the shipper does not connect again"
                time.sleep(0.01)

        replace_certificates(authority, made, port, lambda: sluice.count(made), cert, key, then=reconnect)
        expected = "".join(f"{x}\n" for x in writer.stop()).encode()
        sluice.await_count(made, expected.count(b"\n"))
        assert ship.stop() == 0, ship
    assert_same(sluice.stored(made, path), expected)


def test_a_bad_new_certificate_is_refused_and_the_old_one_kept(sluice, authority):
    cert, key = authority.issue("server")
    made, port = tls_receiver(sluice, "syslog+tls", (cert, key))
    serial = shown_serial(authority, port)
    whole = cert.read_bytes()
    cert.write_bytes(whole[:len(whole) // 2])
    made.signal(signal.SIGHUP)
    made.errors.wait_for(r"error +" + re.escape(str(cert)) + ".*what was read before stays in use")
    assert shown_serial(authority, port) == serial
    authority.issue("server")  # noticed without a signal
    made.errors.wait_for(r"info +" + re.escape(str(cert)) + ": has changed and is in use")
    assert shown_serial(authority, port) != serial

"""TLS: frames between nodes, and syslog from programs that nobody here wrote."""

import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from certificates import Authority
from support import DEADLINE, WITH_US, assert_same, log_lines


@pytest.fixture
def authority(sluice):
    return Authority(sluice.tmp)


def receiver(sluice, scheme, pair, *arguments, store="store"):
    """A receiver that listens on `scheme` too, and the port of that."""
    cert, key = pair
    made = sluice.receiver(store, "--listen", f"{scheme}://127.0.0.1:0", "--cert", cert, "--key", key, *arguments)
    port = int(made.errors.wait_for(re.escape(f"listening on {scheme}://127.0.0.1:") + r"(\d+)").group(1))
    return made, port


def wait_for_count(sluice, store, count, *arguments):
    until = time.monotonic() + DEADLINE
    while (now := sluice.count(store, *arguments)) < count:
        assert time.monotonic() < until, f"{now} of {count} records are stored"
        time.sleep(0.1)
    assert now == count


# -- frames -------------------------------------------------------------------

def test_frames_go_over_tls_with_certificates_on_both_sides(sluice, authority):
    data = log_lines(100_000, seed=1)
    source = sluice.file("log", data)
    made, port = receiver(sluice, "tls", authority.issue("server"), "--client-ca", authority.ca)
    cert, key = authority.issue("client")
    sluice.ship(f"tls://localhost:{port}", source, "--ca", authority.ca, "--cert", cert, "--key", key)
    assert_same(sluice.stored(made, source), data)


@pytest.mark.parametrize("case, by_shipper, by_receiver", [
    ("wrong host", "hostname mismatch; it is not for localhost", "bad certificate"),
    ("foreign authority", "the peer's certificate is refused: unable to get local issuer", "unknown ca"),
    ("no client certificate", "the peer demands a certificate of us", "the peer shows no certificate"),
])
def test_who_is_not_trusted_is_refused_with_a_reason_on_both_sides(sluice, authority, case, by_shipper, by_receiver):
    pair = authority.issue("server", hosts="DNS:other.example" if case == "wrong host" else "DNS:localhost")
    made, port = receiver(sluice, "tls", pair, *(["--client-ca", authority.ca] if "client" in case else []))
    ca = Authority(sluice.tmp, "stranger").ca if "foreign" in case else authority.ca
    ship = sluice.start_ship(f"tls://localhost:{port}", sluice.file("log", b"secret\n"), "--ca", ca,
                             "--deadline", "1s")
    assert ship.wait() == 69
    assert by_shipper in "\n".join(ship.errors.lines())
    made.errors.wait_for(re.escape(by_receiver))
    assert sluice.count(made) == 0


def test_a_receiver_whose_certificate_has_expired_is_refused(sluice, authority):
    cert, key = authority.issue("old", days=-1)
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key]
    with subprocess.Popen([*WITH_US, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        port = next(line.rsplit(b":", 1)[1] for line in server.stdout if line.startswith(b"ACCEPT")).decode().strip()
        result = sluice.ship(f"tls://localhost:{port}", sluice.file("log", b"secret\n"), "--ca", authority.ca,
                             "--deadline", "1s", code=69)
        server.kill()
    assert "the peer's certificate is refused: certificate has expired" in result.err


def test_insecure_ships_to_anybody_who_speaks_tls(sluice, authority):
    made, port = receiver(sluice, "tls", authority.issue("server", hosts="DNS:other.example"))
    source = sluice.file("log", b"one\ntwo\n")
    sluice.ship(f"tls://127.0.0.1:{port}", source, "--insecure")
    assert sluice.stored(made, source) == b"one\ntwo\n"


def test_bad_files_are_named_before_anything_is_opened(sluice, authority):
    cert, key = authority.issue("server")
    _, other = authority.issue("other")
    old, old_key = authority.issue("old", days=-1)
    absent = sluice.tmp / "absent.pem"
    for arguments, reason in [
            ([], "who accepts TLS needs a certificate and its key"),
            (["--cert", cert], f"{cert}: the key of this certificate is not given"),
            (["--cert", absent, "--key", key], f"{absent}: "),
            (["--cert", cert, "--key", other], f"{other}: is not the key of the certificate {cert}"),
            (["--cert", key, "--key", key], f"{key}: holds no certificate"),
            (["--cert", old, "--key", old_key], f"{old}: the certificate has expired on "),
    ]:
        result = sluice.run("receive", "--listen", "tls://127.0.0.1:0", "--store", sluice.tmp / "none", *arguments)
        assert result.code == 78 and reason in result.err, result
    result = sluice.run("ship", key, "--to", "tcp://localhost:1", "--ca", authority.ca)
    assert result.code == 78 and "no lane speaks TLS" in result.err, result


# -- syslog -------------------------------------------------------------------

def message(text):
    return f"<13>1 2026-01-02T03:04:05Z host app - - - {text}\n".encode()


def tls_sender(authority, port):
    context = ssl.create_default_context(cafile=authority.ca)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE),
                               server_hostname="localhost")


def test_a_sender_without_certificate_and_one_without_tls_are_refused(sluice, authority):
    made, port = receiver(sluice, "syslog+tls", authority.issue("server"), "--client-ca", authority.ca)
    with pytest.raises(OSError), tls_sender(authority, port) as nobody:
        nobody.recv(1)  # in TLS 1.3 only this tells
    made.errors.wait_for(r"127\.0\.0\.1:\d+ is refused: the peer shows no certificate")
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(message("hello"))
        made.errors.wait_for(r"127\.0\.0\.1:\d+ is refused: the peer does not speak TLS")
    assert sluice.count(made) == 0


# -- new certificates ---------------------------------------------------------

class Senders(threading.Thread):
    """Connects, says ten messages, closes, and again, until stopped."""

    def __init__(self, authority, port, name):
        super().__init__(daemon=True)
        self._authority, self._port, self._name = authority, port, name
        self._is_over = threading.Event()
        self.sent, self.failure = [], None
        self.start()

    def run(self):
        try:
            while not self._is_over.is_set():
                with tls_sender(self._authority, self._port) as connection:
                    texts = [f"{self._name} {len(self.sent) + i}" for i in range(10)]
                    connection.sendall(b"".join(map(message, texts)))
                    self.sent += texts
                    connection.unwrap()
        except Exception as failure:
            self.failure = failure

    def stop(self):
        self._is_over.set()
        self.join(DEADLINE)
        assert self.failure is None and not self.is_alive(), self.failure
        return self.sent


def shown_serial(authority, port):
    with tls_sender(authority, port) as connection:
        return connection.getpeercert()["serialNumber"]


def test_certificates_replaced_under_load_lose_nothing(sluice, authority):
    pair = authority.issue("server")
    made, port = receiver(sluice, "syslog+tls", pair)
    senders = [Senders(authority, port, f"sender-{i}") for i in range(3)]
    with tls_sender(authority, port) as steady:
        steady.sendall(message("before"))
        serials = [shown_serial(authority, port)]
        for _ in range(3):
            sent = sum(len(x.sent) for x in senders)
            authority.issue("server")
            made.signal(signal.SIGHUP)
            until = time.monotonic() + DEADLINE
            while (serial := shown_serial(authority, port)) == serials[-1]:
                assert time.monotonic() < until, "the new certificate is not used"
            serials.append(serial)
            while sum(len(x.sent) for x in senders) < sent + 60:
                assert time.monotonic() < until, "nothing more is sent"
                time.sleep(0.01)
        steady.sendall(message("after"))
        steady.unwrap()
    expected = ["before", "after"] + [text for each in senders for text in each.stop()]
    wait_for_count(sluice, made, len(expected))
    assert sorted(sluice.query(made).decode().splitlines()) == sorted(expected)


def test_a_bad_new_certificate_is_refused_and_the_old_one_kept(sluice, authority):
    cert, key = authority.issue("server")
    made, port = receiver(sluice, "syslog+tls", (cert, key))
    serial = shown_serial(authority, port)
    whole = cert.read_bytes()
    cert.write_bytes(whole[:len(whole) // 2])
    made.signal(signal.SIGHUP)
    made.errors.wait_for(r"error +" + re.escape(str(cert)) + ".*what was read before stays in use")
    assert shown_serial(authority, port) == serial
    authority.issue("server")  # noticed without a signal
    made.errors.wait_for(r"info +" + re.escape(str(cert)) + ": has changed and is in use")
    assert shown_serial(authority, port) != serial

"""Frames over TLS, and who is trusted."""

import re
import subprocess

import pytest

from certificates import Authority, tls_receiver
from support import WITH_US, assert_same, log_lines


def test_frames_go_over_tls_with_certificates_on_both_sides(sluice, authority):
    data = log_lines(100_000, seed=1)
    source = sluice.file("log", data)
    made, port = tls_receiver(sluice, "tls", authority.issue("server"), "--client-ca", authority.ca)
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
    made, port = tls_receiver(sluice, "tls", pair, *(["--client-ca", authority.ca] if "client" in case else []))
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
    made, port = tls_receiver(sluice, "tls", authority.issue("server", hosts="DNS:other.example"))
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
            (["--cert", old, "--key", old_key], f"{old}: certificate 1 has expired on "),
    ]:
        result = sluice.run("receive", "--listen", "tls://127.0.0.1:0", "--store", sluice.tmp / "none", *arguments)
        assert result.code == 78 and reason in result.err, result
    result = sluice.run("ship", key, "--to", "tls://localhost:1", "--cert", old, "--key", old_key)
    assert result.code == 78 and f"{old}: certificate 1 has expired on " in result.err, result
    result = sluice.run("ship", key, "--to", "tcp://localhost:1", "--ca", authority.ca)
    assert result.code == 78 and "no lane speaks TLS" in result.err, result

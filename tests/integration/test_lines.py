"""Lines over TCP, as text and as JSON, into the store of the receiver."""

import json
import socket
import threading

import pytest

from support import log_lines


def lines_port(receiver):
    return int(receiver.errors.wait_for(r"listening on lines\+tcp://127\.0\.0\.1:(\d+)").group(1))


def say(port, data):
    with socket.create_connection(("127.0.0.1", port)) as to:
        to.sendall(data)
        to.shutdown(socket.SHUT_WR)
        assert to.recv(1) == b""  # it is all read


def stored(sluice, receiver):
    """Stopping it waits for what was read."""
    assert receiver.stop() == 0, receiver
    return sluice.query(receiver.store, "--label", "lane=lines+tcp")


def test_text_is_stored_byte_for_byte(sluice):
    receiver = sluice.receiver("store", "--listen", "lines+tcp://127.0.0.1:0")
    data = b"one\r\n\n\x00\xff\n" + log_lines(20_000, 1) + b"x" * 100_000 + b"\nno end"
    say(lines_port(receiver), data)
    expected = data.replace(b"x" * 100_000, b"x" * 65_536 + b"\n" + b"x" * 34_464) + b"\n"
    assert stored(sluice, receiver) == expected


def test_many_connections_at_once(sluice):
    receiver = sluice.receiver("store", "--listen", "lines+tcp://127.0.0.1:0")
    port = lines_port(receiver)
    said = [b"".join(b"%d %d\n" % (i, n) for n in range(2_000)) for i in range(20)]
    senders = [threading.Thread(target=say, args=(port, data)) for data in said]
    for x in senders:
        x.start()
    for x in senders:
        x.join()
    found = stored(sluice, receiver).splitlines(keepends=True)
    for i, data in enumerate(said):
        assert b"".join(x for x in found if x.startswith(b"%d " % i)) == data


def test_json(sluice):
    receiver = sluice.receiver("store", "--listen", "lines+tcp://127.0.0.1:0", "--lines", "json")
    say(lines_port(receiver), b'{"ts":"2026-01-02T03:04:05Z","level":"warn","msg":"m","user":"u"}\nplain\n')
    assert receiver.stop() == 0
    first, second = map(json.loads, sluice.query(receiver.store, "--output", "json").splitlines())
    assert (first["body"], first["severity"], first["attributes"]) == ("m", "warning", {"user": "u"})
    assert first["timestamp"].startswith("2026-01-02T03:04:05")
    assert (second["body"], second["severity"], second["attributes"]) == ("plain", None, {})


@pytest.mark.parametrize("option, value, says", [
    ("--lines", "xml", "'xml' is not known; give text or json"),
    ("--max-message-bytes", "10", "give 1KiB to 8MiB"),
    ("--max-message-bytes", "1GiB", "give 1KiB to 8MiB"),
])
def test_wrong_options(sluice, option, value, says):
    result = sluice.run("receive", "--listen", "lines+tcp://127.0.0.1:0", "--store", sluice.tmp / "store", option, value)
    assert result.code == 64 and says in result.err, result

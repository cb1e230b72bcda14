"""Nodes that receive without a store: what they have answered for is in their spools until a receiver has it."""

import http.client
import signal
import socket
import threading
import time

from support import DEADLINE, assert_same
from test_reload import Node, SyslogLoad, free_port


def relay_file(sluice, to, listen=("http://127.0.0.1:0", "syslog+tcp://127.0.0.1:0"), more=""):
    return f"""
node: {{data_dir: {sluice.tmp}/data, drain_timeout: 60s}}
receive: {{listen: [{', '.join(listen)}]}}
ship: {{to: {to}, retry: {{initial_backoff: 50ms, max_backoff: 200ms}}, batch: {{timeout: 50ms}}}}
{more}"""


def post(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("POST", "/ingest", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def await_stored(sluice, store, label, expected):
    """All of it, each once, in any order."""
    until = time.monotonic() + DEADLINE
    while len(found := sluice.query(store, "--label", label).splitlines()) < len(expected):
        assert time.monotonic() < until, f"{len(found)} of {len(expected)} are stored"
    assert_same(sorted(found), sorted(expected))


def test_what_was_answered_survives_while_no_receiver_does(sluice):
    port = free_port()
    relay = None
    posted, said = [], []
    for start in range(3):
        relay = Node(sluice, relay_file(sluice, f"tcp://127.0.0.1:{port}"))
        http_port, syslog_port = relay.port("http"), relay.port("syslog+tcp")
        for i in range(20):
            text = f"post {start} {i}".encode()
            assert post(http_port, text + b"\n")[0] < 300
            posted.append(text)
        with socket.create_connection(("127.0.0.1", syslog_port), timeout=DEADLINE) as to:
            for i in range(100):
                said.append(f"said {start} {i}".encode())
                to.sendall(b"<13>1 - host app - - - " + said[-1] + b"\n")
            to.shutdown(socket.SHUT_WR)
            assert to.recv(1) == b""
        # No answer tells that syslog is in the spool, but what came before on another lane, and then is spooled, does
        # not either; so it has to be seen there.
        until = time.monotonic() + DEADLINE
        while sum(count_spooled(sluice, f"said {start} ")) < 100:
            assert time.monotonic() < until
        assert relay.process.kill() == -signal.SIGKILL
    receiver = sluice.receiver("store", port=port)
    relay = Node(sluice, relay_file(sluice, receiver.url))
    assert post(relay.port("http"), b"the last\n")[0] < 300
    await_stored(sluice, receiver, "lane=http", [*posted, b"the last"])
    await_stored(sluice, receiver, "lane=syslog+tcp", said)
    assert relay.process.stop() == 0, relay.process
    assert not any((sluice.tmp / "data" / "receive").glob("spool*/*.seg")), "something is left"
    again = Node(sluice, relay_file(sluice, receiver.url))
    again.port("http")
    assert again.process.stop() == 0, again.process
    await_stored(sluice, receiver, "lane=syslog+tcp", said)


def count_spooled(sluice, text):
    for spool in (sluice.tmp / "data" / "receive").glob("spool*"):
        if spool.is_dir():
            yield sluice.query(spool, "--contains", text).count(b"\n")


def test_killed_under_load(sluice):
    """Over and over, while the receiver comes and goes; every answered request is stored once."""
    port, http_port = free_port(), free_port()
    text = relay_file(sluice, f"tcp://127.0.0.1:{port}", [f"http://127.0.0.1:{http_port}"])
    answered, sent, ends = [], [], threading.Event()

    def send():
        while not ends.is_set():
            body = f"number {len(sent)}".encode()
            sent.append(body)
            try:
                if post(http_port, body + b"\n")[0] < 300:
                    answered.append(body)
            except (http.client.HTTPException, OSError):
                ends.wait(0.01)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for turn in range(6):
        relay = Node(sluice, text)
        receiver = sluice.receiver("store", port=port) if turn % 2 else None
        goal, until = len(answered) + 100, time.monotonic() + DEADLINE
        while len(answered) < goal:
            assert time.monotonic() < until, relay.process
            ends.wait(0.01)
        relay.process.kill()
        if receiver:
            receiver.stop()
    ends.set()
    sender.join(DEADLINE)
    receiver = sluice.receiver("store", port=port)
    relay = Node(sluice, text)
    until = time.monotonic() + DEADLINE
    while not set(answered) <= set(found := sluice.query(receiver).splitlines()):
        assert time.monotonic() < until, relay.process
    assert relay.process.stop() == 0, relay.process
    found = sluice.query(receiver).splitlines()
    assert len(found) == len(set(found)), "something is stored twice"
    assert set(answered) <= set(found) <= set(sent)


def test_a_listener_that_is_gone_leaves_nothing_behind(sluice):
    """What its spool has is shipped by a start that has fewer listeners."""
    port, lanes = free_port(), [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    relay = Node(sluice, relay_file(sluice, f"tcp://127.0.0.1:{port}", lanes))
    expected = []
    for lane in lanes:
        relay.process.errors.wait_for(f"listening on {lane}")
        expected.append(f"by {lane}".encode())
        assert post(int(lane.rsplit(":", 1)[1]), expected[-1] + b"\n")[0] < 300
    relay.process.kill()
    receiver = sluice.receiver("store", port=port)
    relay = Node(sluice, relay_file(sluice, receiver.url, lanes[:1]))
    await_stored(sluice, receiver, "lane=http", expected)
    assert relay.process.stop() == 0, relay.process
    assert not any((sluice.tmp / "data" / "receive").glob("spool*/*.seg")), "something is left"


def test_reload_under_load(sluice):
    """Where to, and where it listens."""
    receivers = [sluice.receiver(f"store-{i}") for i in range(2)]
    listen = ["syslog+tcp://127.0.0.1:0", f"http://127.0.0.1:{free_port()}"]
    relay = Node(sluice, relay_file(sluice, receivers[0].url, listen))
    load = SyslogLoad(relay.port("syslog+tcp"))
    load.await_more()
    relay.take(relay_file(sluice, receivers[0].url, listen[:1]))
    load.await_more()
    relay.take(relay_file(sluice, receivers[0].url, listen))
    load.await_more()
    load.end()
    relay.take(relay_file(sluice, receivers[1].url, listen))
    assert post(int(listen[1].rsplit(":", 1)[1]), b"for the second\n")[0] < 300
    await_stored(sluice, receivers[0], "lane=syslog+tcp", [x.encode() for x in load.sent])
    await_stored(sluice, receivers[1], "lane=http", [b"for the second"])
    assert relay.process.stop() == 0, relay.process


def test_all_listeners_are_replaced_while_nobody_takes_what_they_hold(sluice):
    """The new ones found no spool if there were more than 8."""
    lanes = [f"http://127.0.0.1:{free_port()}" for _ in range(16)]
    port = free_port()
    relay = Node(sluice, relay_file(sluice, f"tcp://127.0.0.1:{port}", lanes))
    expected = []
    for turn in range(2):
        for lane in lanes:
            relay.process.errors.wait_for(f"listening on {lane}")
            expected.append(f"{turn} by {lane}".encode())
            assert post(int(lane.rsplit(":", 1)[1]), expected[-1] + b"\n")[0] < 300
        relay.take(relay_file(sluice, f"tcp://127.0.0.1:{port}", lanes).replace("50ms}}", f"{60 + turn}ms}}}}"))
    relay.refuse(relay_file(sluice, f"tcp://127.0.0.1:{port}", lanes), "all 48 spools there are in use")
    receiver = sluice.receiver("store", port=port)
    await_stored(sluice, receiver, "lane=http", expected)
    assert relay.process.stop() == 0, relay.process


def test_stopped_while_no_receiver_answers(sluice):
    relay = Node(sluice, relay_file(sluice, f"tcp://127.0.0.1:{free_port()}").replace("60s", "100ms"))
    assert post(relay.port("http"), b"one\n")[0] < 300
    assert relay.process.stop() == 75, relay.process
    relay.process.errors.wait_for("1 record .* waiting in the spool")


def test_what_a_relay_cannot_have_is_refused(sluice):
    bad = sluice.file("bad.yaml", b"""
receive: {listen: [http://127.0.0.1:0, tcp://127.0.0.1:0]}
ship: {to: tcp://127.0.0.1:1, buffer: {when_full: drop_oldest}}
""")
    result = sluice.run("validate", bad)
    assert result.code == 78, result
    assert f"{bad}:2:40: receive.listen.2: needs a store" in result.err, result
    assert f"{bad}:2:1: receive: node.data_dir is missing" in result.err, result
    assert f"{bad}:3:1: ship: what is received and passed on is never dropped" in result.err, result

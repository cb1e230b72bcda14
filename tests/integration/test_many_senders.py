"""Thousands of connections, and slow ones among them."""

import contextlib
import re
import resource
import socket

import pytest

from protocol import HEAD, HELLO, PREFACE, WELCOME, messages
from support import DEADLINE, Proxy, assert_same, is_sanitized, log_lines

MANY = 5_000


@pytest.fixture
def many_files():
    """Lets this process have a socket for every sender."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < MANY + 100:
        pytest.skip(f"the system allows {before[1]} open files, and this needs {MANY + 100}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def receiver(sluice, lane, *arguments, **how):
    """One that listens on `lane` too, and the port of that."""
    made = sluice.receiver("store", "--listen", f"{lane}://127.0.0.1:0", *arguments, **how)
    return made, int(made.errors.wait_for(re.escape(f"listening on {lane}://127.0.0.1:") + r"(\d+)").group(1))


@contextlib.contextmanager
def connections(port, count=MANY):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE))
               for _ in range(count)]


def message(text):
    return f"<13>1 - host app - - - {text}\n".encode()


def request(text):
    return f"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def read(connection, count):
    said = b""
    while len(said) < count:
        more = connection.recv(count - len(said))
        assert more, said
        said += more
    return said


def read_answer(connection):
    """Of a request for one record."""
    said = read(connection, 12)
    assert said == b"HTTP/1.1 200"
    while not said.endswith(b'{"records":1,"unparsed":0}'):
        said += read(connection, 1)


def expect_little(made):
    status = open(f"/proc/{made.pid}/status", encoding="ascii").read()
    used = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024
    print(f"{MANY} idle senders: the receiver has {used / 1e6:.1f} MB")
    assert used < 100e6 or is_sanitized()


# -- idle ---------------------------------------------------------------------

def test_thousands_of_idle_senders_cost_little(sluice, many_files):
    """With the limit of open files that a shell gives, which it raises itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    made, port = receiver(sluice, "syslog+tcp", before=["prlimit", f"--nofile=1024:{hard}", "--"])
    with connections(port) as senders:
        for i, sender in enumerate(senders):
            sender.sendall(message(f"first {i}"))
        sluice.await_count(made, MANY)
        expect_little(made)
        for i, sender in enumerate(senders):
            sender.sendall(message(f"second {i}"))
        sluice.await_count(made, 2 * MANY)


def test_thousands_of_idle_http_clients_cost_little(sluice, many_files):
    """Each has posted a record and keeps its connection."""
    made, port = receiver(sluice, "http")
    with connections(port) as clients:
        for i, client in enumerate(clients):
            client.sendall(request(f"first {i}"))
        for client in clients:
            read_answer(client)
        expect_little(made)
        clients[0].sendall(request("second"))
        read_answer(clients[0])
    assert sluice.count(made) == MANY + 1


def test_thousands_of_idle_shippers_cost_little(sluice, many_files):
    """Each says what a real one has said at the beginning, and is welcome."""
    made = sluice.receiver("store", "--max-connections", MANY + 100)
    source = sluice.file("log", log_lines(10, seed=1))
    with Proxy(made.port) as proxy:
        sluice.ship(proxy, source)
        hello = next(x for kind, x in messages(bytes(proxy.sent[0])) if kind == HELLO)
    with connections(made.port) as shippers:
        for shipper in shippers:
            shipper.sendall(PREFACE + hello)
        for shipper in shippers:
            said = read(shipper, len(PREFACE) + HEAD.size)
            assert HEAD.unpack(said[len(PREFACE):])[0] == WELCOME
        expect_little(made)
        other = sluice.file("other", log_lines(10, seed=2))
        sluice.ship(made, other)
    assert_same(sluice.stored(made, other), other.read_bytes())


# -- slow ---------------------------------------------------------------------

def test_a_sender_that_stalls_delays_nobody(sluice):
    made, port = receiver(sluice, "syslog+tcp")
    stalled = message("late")[:-1]
    with connections(port, 3) as (slow, half, quick):
        slow.sendall(b"%d " % len(stalled) + stalled[:10])
        half.sendall(stalled[:20])
        quick.sendall(b"".join(message(f"quick {i}") for i in range(1_000)))
        sluice.await_count(made, 1_000)
        slow.sendall(stalled[10:])
        half.sendall(stalled[20:] + b"\n")
        sluice.await_count(made, 1_002)
    assert sluice.query(made).splitlines().count(b"late") == 2


def test_an_http_client_that_stalls_delays_nobody(sluice):
    """One in its header, one in its body, and one that reads no answers; by turns with one that goes on."""
    made, port = receiver(sluice, "http")
    late = request("late")
    with connections(port, 4) as (in_header, in_body, deaf, quick):
        in_header.sendall(late[:20])
        in_body.sendall(late[:-2])
        deaf.sendall(request("deaf") * 100)
        for i in range(100):
            quick.sendall(request(f"quick {i}"))
            read_answer(quick)
        for client, rest in ((in_header, late[20:]), (in_body, late[-2:])):
            client.sendall(rest)
            read_answer(client)
        for _ in range(100):
            read_answer(deaf)
    found = sluice.query(made).splitlines()
    assert (len(found), found.count(b"late"), found.count(b"deaf")) == (202, 2, 100)


def test_a_shipper_that_stalls_delays_nobody(sluice):
    """In the middle of a frame."""
    made = sluice.receiver()
    late, quick = (sluice.file(name, log_lines(20_000, seed)) for name, seed in (("late", 1), ("quick", 2)))
    with Proxy(made.port, hold_after=100_000) as proxy:
        stalled = sluice.start_ship(proxy, late, "--compression", "none")
        proxy.wait_until_held()
        sluice.ship(made, quick, state="other")
        assert_same(sluice.stored(made, quick), quick.read_bytes())
        assert sluice.stored(made, late) == b""
        proxy.release()
        assert stalled.wait() == 0, stalled
    assert_same(sluice.stored(made, late), late.read_bytes())

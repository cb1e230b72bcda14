"""Thousands of connections, and slow ones among them."""

import contextlib
import re
import resource
import socket

import pytest

from support import is_sanitized

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


def receiver(sluice, **how):
    made = sluice.receiver("store", "--listen", "syslog+tcp://127.0.0.1:0", **how)
    return made, int(made.errors.wait_for(r"listening on syslog\+tcp://127\.0\.0\.1:(\d+)").group(1))


def message(text):
    return f"<13>1 - host app - - - {text}\n".encode()


def resident_bytes(process):
    status = open(f"/proc/{process.pid}/status", encoding="ascii").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def test_thousands_of_idle_senders_cost_little(sluice, many_files):
    """With the limit of open files that a shell gives, which it raises itself."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    made, port = receiver(sluice, before=["prlimit", f"--nofile=1024:{hard}", "--"])
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(MANY)]
        for i, sender in enumerate(senders):
            sender.sendall(message(f"first {i}"))
        sluice.await_count(made, MANY)
        used = resident_bytes(made)
        print(f"{MANY} idle senders: the receiver has {used / 1e6:.1f} MB")
        assert used < 100e6 or is_sanitized()
        for i, sender in enumerate(senders):
            sender.sendall(message(f"second {i}"))
        sluice.await_count(made, 2 * MANY)


def test_a_sender_that_stalls_delays_nobody(sluice):
    made, port = receiver(sluice)
    stalled = message("late")[:-1]
    with socket.create_connection(("127.0.0.1", port)) as slow, socket.create_connection(("127.0.0.1", port)) as half:
        slow.sendall(b"%d " % len(stalled) + stalled[:10])
        half.sendall(stalled[:20])
        with socket.create_connection(("127.0.0.1", port)) as quick:
            quick.sendall(b"".join(message(f"quick {i}") for i in range(1_000)))
            sluice.await_count(made, 1_000)
        slow.sendall(stalled[10:])
        half.sendall(stalled[20:] + b"\n")
        sluice.await_count(made, 1_002)
    assert sluice.query(made).splitlines().count(b"late") == 2

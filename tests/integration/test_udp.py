"""Frames over UDP: as durable and as exact as over TCP, whatever happens to the datagrams."""

import random
import re
import selectors
import socket
import threading

import pytest

from support import DEADLINE, assert_same, log_lines, noise

DATAGRAM = 65_507


class Relay:
    """Stands between shipper and receiver. Drops, doubles and reorders datagrams as its seed says; with `hold_after`, it
    drops all once that many have passed, until `release`."""

    def __init__(self, upstream_port, seed, loss=0.0, doubled=0.0, delayed=0.0, hold_after=None):
        self._random = random.Random(seed)
        self._loss, self._doubled, self._delayed = loss, doubled, delayed
        self._left = hold_after
        self.held, self._released, self._done = threading.Event(), threading.Event(), threading.Event()
        self._upstream = ("127.0.0.1", upstream_port)
        self._front = self._open()
        self.port = self._front.getsockname()[1]
        self._backs = {}  # by client
        self._late = []
        self.passed = self.dropped = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        print(f"relay with seed {seed}")

    @staticmethod
    def _open():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        return made

    @property
    def url(self):
        return f"udp://127.0.0.1:{self.port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join(DEADLINE)
        for each in (self._front, *self._backs.values()):
            each.close()

    def wait_until_held(self):
        assert self.held.wait(DEADLINE), "too few datagrams have passed"

    def release(self):
        self._released.set()

    def _run(self):
        with selectors.DefaultSelector() as ready:
            ready.register(self._front, selectors.EVENT_READ, None)
            while not self._done.is_set():
                for key, _ in ready.select(0.005):
                    self._read(key.fileobj, key.data, ready)
                late, self._late = self._late, []
                for how in late:
                    self._send(*how)

    def _read(self, source, client, ready):
        for _ in range(64):
            try:
                data, sender = source.recvfrom(DATAGRAM)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            if client is not None:
                self._pass(self._front, data, client)
                continue
            if sender not in self._backs:
                self._backs[sender] = self._open()
                ready.register(self._backs[sender], selectors.EVENT_READ, sender)
            self._pass(self._backs[sender], data, self._upstream)

    def _pass(self, through, data, to):
        if self._left is not None and not self._released.is_set():
            self._left -= 1
            if self._left < 0:
                self.held.set()
                return
        if self._random.random() < self._loss:
            self.dropped += 1
            return
        if self._random.random() < self._delayed:
            self._late.append((through, data, to))
            return
        for _ in range(2 if self._random.random() < self._doubled else 1):
            self._send(through, data, to)

    def _send(self, through, data, to):
        self.passed += 1
        try:
            through.sendto(data, to)
        except (BlockingIOError, ConnectionRefusedError):
            pass


def receiver(sluice, *arguments, store="store", port=0):
    """A receiver that listens on UDP too, and that port."""
    made = sluice.receiver(store, "--listen", f"udp://127.0.0.1:{port}", *arguments)
    return made, int(made.errors.wait_for(r"listening on udp://127\.0\.0\.1:(\d+)").group(1))


@pytest.mark.parametrize("compression", ["zstd:1", "none"])
def test_a_file_comes_back_byte_by_byte(sluice, compression):
    made, port = receiver(sluice)
    data = log_lines(200_000, seed=1)
    source = sluice.file("log", data)
    sluice.ship(f"udp://127.0.0.1:{port}", source, "--compression", compression)
    assert_same(sluice.stored(made, source), data)


def test_frames_larger_than_any_datagram(sluice):
    made, port = receiver(sluice)
    data = noise(20_000_000, seed=2) + b"x" * 5_000_000 + b"\n"
    source = sluice.file("log", data)
    sluice.ship(f"udp://127.0.0.1:{port}", source, "--batch-bytes", "8MiB")
    assert_same(sluice.stored(made, source), data)


def test_a_network_that_loses_doubles_and_reorders(sluice):
    made, port = receiver(sluice)
    data = noise(8_000_000, seed=3)
    source = sluice.file("log", data)
    with Relay(port, seed=3, loss=0.1, doubled=0.1, delayed=0.1) as relay:
        sluice.ship(relay.url, source, "--compression", "none", "--batch-bytes", "16KiB")
    assert relay.passed > 500 and relay.dropped > 50
    assert_same(sluice.stored(made, source), data)
    assert sluice.count(made, "--label", f"source={source}") == data.count(b"\n")


def test_several_shippers_at_once(sluice):
    made, port = receiver(sluice)
    contents = {sluice.file(f"log-{i}", log_lines(30_000, seed=i)): f"state-{i}" for i in range(5)}
    ships = [sluice.start_ship(f"udp://127.0.0.1:{port}", path, state=state) for path, state in contents.items()]
    for ship in ships:
        assert ship.wait() == 0, ship
    for path in contents:
        assert_same(sluice.stored(made, path), path.read_bytes())


def test_a_receiver_that_is_killed_and_comes_back(sluice):
    made, port = receiver(sluice)
    data = noise(20_000_000, seed=4)
    source = sluice.file("log", data)
    with Relay(port, seed=4, hold_after=400) as relay:
        ship = sluice.start_ship(relay.url, source, "--compression", "none")
        relay.wait_until_held()
        made.kill()
        made, _ = receiver(sluice, port=port)
        relay.release()
        assert ship.wait() == 0, ship
    assert_same(sluice.stored(made, source), data)
    assert sluice.count(made, "--label", f"source={source}") == data.count(b"\n")


def test_a_shipper_that_is_killed_and_comes_back(sluice):
    made, port = receiver(sluice)
    data = noise(20_000_000, seed=5)
    source = sluice.file("log", data)
    with Relay(port, seed=5, hold_after=400) as relay:
        ship = sluice.start_ship(relay.url, source, "--compression", "none")
        relay.wait_until_held()
        ship.kill()
        relay.release()
        sluice.ship(relay.url, source, "--compression", "none")
    assert_same(sluice.stored(made, source), data)


def test_garbage_at_the_port_disturbs_nobody(sluice):
    made, port = receiver(sluice)
    data = log_lines(100_000, seed=6)
    source = sluice.file("log", data)
    chance = random.Random(6)
    done = threading.Event()

    def throw():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thrower:
            thrower.connect(("127.0.0.1", port))
            thrower.setblocking(False)
            while not done.wait(0.001):
                garbage = chance.randbytes(chance.randrange(3000))
                for beginning in (b"", b"SLDG", b"SLDG\1\3\0\0", b"SLUICE\1\0"):
                    try:
                        thrower.send(beginning + garbage)
                    except BlockingIOError:
                        pass
            with pytest.raises(BlockingIOError):
                thrower.recv(DATAGRAM)  # nothing of it was answered

    thread = threading.Thread(target=throw)
    thread.start()
    try:
        sluice.ship(f"udp://127.0.0.1:{port}", source)
    finally:
        done.set()
        thread.join()
    assert_same(sluice.stored(made, source), data)
    assert not made.complaints("receiver:"), made


def test_nobody_listens(sluice):
    source = sluice.file("log", b"a\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    result = sluice.ship(f"udp://127.0.0.1:{port}", source, code=69)
    assert re.search(rf"udp://127\.0\.0\.1:{port}.*refused", result.err), result


def test_somebody_listens_who_never_answers(sluice):
    source = sluice.file("log", b"a\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        result = sluice.ship(f"udp://127.0.0.1:{silent.getsockname()[1]}", source, "--deadline", "7s", code=69)
    assert "no connection within 5000 ms" in result.err, result


def test_it_is_configured_as_other_lanes(sluice):
    config = sluice.file("node.yaml", b"""
node: {data_dir: data}
ship: {to: ["udp://127.0.0.1:7070"]}
sources: {web: {include: [/var/log/*.log]}}
""")
    result = sluice.run("validate", config)
    assert result.code == 0, result
    result = sluice.run("ship", "--to", "udp://127.0.0.1", sluice.file("log", b"a\n"))
    assert result.code == 64 and "no port" in result.err, result

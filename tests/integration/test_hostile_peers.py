"""A receiver against peers that break the protocol: one clear line each, and everybody else is served."""

import socket
import struct
import time

import pytest

from protocol import (ACK, FRAME, HEAD, HEARTBEAT, HELLO, NOTICE, PREFACE, WELCOME, changed, flipped, head, messages,
                      xxh3_of_8_bytes)
from support import DEADLINE, Proxy, Sluice, noise

HANDSHAKE_DEADLINE = 5

# A TLS 1.2 client hello, as far as anybody reads it.
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))


class Served:
    """A receiver, and what a real shipper and it have said to each other."""

    def __init__(self, sluice):
        self.sluice = sluice
        self.receiver = sluice.receiver()
        self._ships = 0
        with Proxy(self.receiver.port) as proxy:
            self.good_ship(proxy, "--batch-bytes", "1KiB", "--compression", "none")
            sent, answered = messages(bytes(proxy.sent[0])), messages(bytes(proxy.received[0]))
        self.hello = next(x for kind, x in sent if kind == HELLO)
        self.frames = [x for kind, x in sent if kind == FRAME]
        self.welcome = next(x for kind, x in answered if kind == WELCOME)
        self.ack = next(x for kind, x in answered if kind == ACK)

    def good_ship(self, to=None, *options):
        self._ships += 1
        data = noise(5000, seed=self._ships)
        path = self.sluice.file(f"log-{self._ships}", data)
        self.sluice.ship(to or self.receiver, path, *options)
        assert self.sluice.stored(self.receiver, path) == data


@pytest.fixture(scope="module")
def served():
    with Sluice() as sluice:
        yield Served(sluice)


class Peer:
    def __init__(self, receiver):
        self.socket = socket.create_connection(("127.0.0.1", receiver.port), timeout=DEADLINE)
        self.name = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, and_end=False):
        try:
            self.socket.sendall(data)
            if and_end:
                self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the receiver has closed before it had read everything

    def read_messages(self, count):
        """Their types; heartbeats do not count."""
        received, kinds = b"", []
        while len(kinds) < count:
            data = self.socket.recv(65536)
            assert data, f"closed after {kinds}"
            received += data
            if len(received) >= len(PREFACE):
                kinds = [kind for kind, _ in messages(received) if kind != HEARTBEAT]
        return kinds

    def read_to_end(self):
        received = b""
        try:
            while data := self.socket.recv(65536):
                received += data
        except ConnectionResetError:
            pass
        return received


def assert_one_complaint(served, peer, reason):
    served.good_ship()
    served.receiver.errors.wait_for(rf"warning.*{peer.name}.*{reason}", timeout=30)
    assert len(served.receiver.complaints(peer.name)) == 1, served.receiver.complaints(peer.name)


def test_the_checks_here_agree_with_those_of_a_real_shipper(served):
    for frame in served.frames:
        check, = struct.unpack_from("<I", frame, 8)
        assert check == xxh3_of_8_bytes(frame[:8]) & 0xFFFFFFFF
    assert len(served.frames) > 2


STRANGERS = {
    "http": (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "HTTP"),
    "http-post": (b"POST /logs HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP"),
    "tls": (TLS_HELLO, "TLS"),
    "garbage": (noise(5000, 99), "preface|Sluice"),
    "zeros": (bytes(4096), "preface|Sluice"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH|preface|Sluice"),
    "other-version": (b"SLUICE\x02\x00", "version"),
    "a-version-far-away": (b"SLUICE\xff\xff", "version"),
    "short-garbage": (b"hi\n", "preface|Sluice"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_does_not_begin_with_a_preface(served, name):
    data, reason = STRANGERS[name]
    with Peer(served.receiver) as peer:
        peer.send(data, and_end=True)
        assert peer.read_to_end() == b""
        assert_one_complaint(served, peer, reason)


BROKEN = {
    "unknown-type": (lambda x: head(99, 0), "unknown type 99"),
    "type-0": (lambda x: head(0, 0), "unknown type 0"),
    "reserved-bytes": (lambda x: changed(x.hello, 2, b"\1"), "bytes 1 to 3"),
    "welcome-from-a-shipper": (lambda x: x.welcome, "welcome.*connecting side"),
    "ack-from-a-shipper": (lambda x: x.hello + x.ack, "ack.*connecting side"),
    "hello-with-flipped-bit": (lambda x: flipped(x.hello, HEAD.size + 20), "check"),
    "hello-with-flipped-check": (lambda x: flipped(x.hello, 8), "check"),
    "hello-too-short": (lambda x: head(HELLO, 79), "hello.*79"),
    "4-gib-hello": (lambda x: head(HELLO, 0xFFFFFFFF), "hello.*4294967295"),
    "4-gib-notice": (lambda x: head(NOTICE, 0xFFFFFFFF), "notice.*4294967295"),
    "heartbeat-with-body": (lambda x: head(HEARTBEAT, 1), "heartbeat.*1"),
    "4-gib-frame": (lambda x: x.hello + head(FRAME, 0xFFFFFFFF), "frame.*4294967295"),
    "frame-just-too-large": (lambda x: x.hello + head(FRAME, (64 << 20) + (16 << 10) + 1), "frame.*67125249"),
    "frame-too-small": (lambda x: x.hello + head(FRAME, 128), "frame.*128"),
    "frame-magic": (lambda x: x.hello + changed(x.frames[0], HEAD.size, b"HTTP"), "magic"),
    "frame-version": (lambda x: x.hello + changed(x.frames[0], HEAD.size + 4, b"\2"), "version"),
    "frame-length-unlike-body": (lambda x: x.hello + flipped(x.frames[0], HEAD.size + 8), "frame"),
    "4-gib-payload": (lambda x: x.hello + changed(x.frames[0], HEAD.size + 8, b"\xff" * 4), "payload_bytes.*429496"),
    "4-gib-decoded": (lambda x: x.hello + changed(x.frames[0], HEAD.size + 12, b"\xff" * 4), "decoded_bytes.*429496"),
    "64-kib-header": (lambda x: x.hello + changed(x.frames[0], HEAD.size + 6, b"\xff\xff"), "header_bytes.*65535"),
    "flipped-sequence": (lambda x: x.hello + flipped(x.frames[0], HEAD.size + 56), "header.*hash|hash.*header"),
    "flipped-label": (lambda x: x.hello + flipped(x.frames[0], HEAD.size + 131), "header.*hash|hash.*header"),
    "flipped-payload": (lambda x: x.hello + flipped(x.frames[0], len(x.frames[0]) - 1), "payload.*hash|hash.*payload"),
    "second-frame-flipped": (lambda x: x.hello + x.frames[0] + flipped(x.frames[1], 300), "hash"),
    "truncated-head": (lambda x: x.hello[:7], "within a message"),
    "truncated-hello": (lambda x: x.hello[:-1], "within a message"),
    "truncated-frame": (lambda x: x.hello + x.frames[0][:200], "within a message"),
    "truncated-second-frame": (lambda x: x.hello + x.frames[0] + x.frames[1][:-1], "within a message"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_protocol(served, name):
    make, reason = BROKEN[name]
    with Peer(served.receiver) as peer:
        peer.send(PREFACE + make(served), and_end=True)
        answer = peer.read_to_end()
        assert_one_complaint(served, peer, reason)
    answered = messages(answer)
    if "truncated" in name:
        return
    kind, notice = answered[-1]
    code, closing = struct.unpack_from("<HB", notice, HEAD.size)
    assert kind == NOTICE and closing == 1 and code != 0
    assert notice[HEAD.size + 4:].decode()


def test_a_gap_in_the_sequence(served):
    with Sluice() as sluice:
        receiver = sluice.receiver()
        with Peer(receiver) as peer:
            peer.send(PREFACE + served.hello + served.frames[1])
            answered = messages(peer.read_to_end())
            receiver.errors.wait_for(rf"warning.*{peer.name}.*refused.*does not follow")
            assert len(receiver.complaints(peer.name)) == 1
        assert [kind for kind, _ in answered] == [WELCOME, NOTICE]
        assert sluice.count(receiver) == 0


def test_the_same_frame_twice_is_acknowledged_again(served):
    with Sluice() as sluice:
        receiver = sluice.receiver()
        with Peer(receiver) as peer:
            peer.send(PREFACE + served.hello + served.frames[0] + served.frames[1] + served.frames[0])
            assert peer.read_messages(4) == [WELCOME, ACK, ACK, ACK]
        assert sluice.query(receiver).count(b"\n") > 0
        assert sluice.run("store", "verify", receiver.store).code == 0


def test_byte_by_byte(served):
    with Sluice() as sluice:
        receiver = sluice.receiver()
        with Peer(receiver) as peer:
            peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in PREFACE + served.hello + served.frames[0]:
                peer.socket.send(bytes([byte]))
            assert peer.read_messages(2) == [WELCOME, ACK]


def test_silent_peers_are_closed_and_do_not_hold_up_others(served):
    silent, slow = Peer(served.receiver), Peer(served.receiver)
    with silent, slow:
        started = time.monotonic()
        slow.send(PREFACE[:3])
        served.good_ship()
        assert silent.read_to_end() == slow.read_to_end() == b""
        assert time.monotonic() - started > HANDSHAKE_DEADLINE - 1
        assert_one_complaint(served, silent, "preface")
        assert_one_complaint(served, slow, "preface")


def test_peers_beyond_the_limit_are_refused(served):
    with Sluice() as sluice:
        receiver = sluice.receiver("store", "--max-connections", "1")
        with Peer(receiver) as first, Peer(receiver) as second:
            assert second.read_to_end() == b""
            receiver.errors.wait_for(rf"warning.*{second.name}.*refused")
            first.send(PREFACE + served.hello)
            assert first.read_messages(1) == [WELCOME]
        source = sluice.file("log", b"now there is room\n")
        sluice.ship(receiver, source)

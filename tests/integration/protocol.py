"""Just enough of docs/specs/protocol.md and frame.md to take a shipper's bytes apart and to put wrong ones together."""

import struct

PREFACE = b"SLUICE\x01\x00"
HELLO, WELCOME, FRAME, ACK, NOTICE, HEARTBEAT = range(1, 7)
HEAD = struct.Struct("<B3xII")
MASK = (1 << 64) - 1


def xxh3_of_8_bytes(data):
    """XXH3-64 with seed 0 for exactly eight bytes: enough for the check of a message without a hashed body."""
    low, high = struct.unpack("<II", data)
    secret = 0x1CAD21F72C81017C ^ 0xDB979083E96DD4DE
    x = (high + (low << 32)) ^ secret

    def rotated(by):
        return ((x << by) | (x >> (64 - by))) & MASK

    x ^= rotated(49) ^ rotated(24)
    x = x * 0x9FB21C651E98DF25 & MASK
    x ^= (x >> 35) + 8
    x = x * 0x9FB21C651E98DF25 & MASK
    return x ^ (x >> 28)


def head(kind, body_bytes):
    """The head of a message, with a right check if its body is empty or a frame."""
    start = struct.pack("<B3xI", kind, body_bytes)
    return start + struct.pack("<I", xxh3_of_8_bytes(start) & 0xFFFFFFFF)


def messages(stream):
    """The whole messages behind the preface, as (type, bytes with head)."""
    assert stream[:len(PREFACE)] == PREFACE
    at, found = len(PREFACE), []
    while at + HEAD.size <= len(stream):
        kind, body_bytes, _ = HEAD.unpack_from(stream, at)
        end = at + HEAD.size + body_bytes
        if end > len(stream):
            break
        found.append((kind, bytes(stream[at:end])))
        at = end
    return found


def changed(message, offset, value):
    return message[:offset] + value + message[offset + len(value):]


def flipped(message, offset):
    return changed(message, offset, bytes([message[offset] ^ 4]))

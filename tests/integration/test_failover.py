"""Several receivers for one shipper: each has a store of its own, and together they have everything."""

import itertools
import json
import signal
import struct

import pytest

from protocol import HEAD, HELLO, messages
from support import Proxy, assert_same, noise, shipped, used_percent

MEGABYTE = 1_000_000


def numbered(size, seed):
    """Lines that do not compress, none twice."""
    return b"".join(b"%08d %s\n" % (i, line) for i, line in enumerate(noise(size, seed).split(b"\n")))


def stored_lines(sluice, receiver, path):
    return [int(line[:8]) for line in sluice.stored(receiver, path).split(b"\n") if line]


def acknowledged(sent):
    """Up to which position the shipper knew its stream to be stored when it said hello over this connection."""
    greeting = next(body for kind, body in messages(sent) if kind == HELLO)
    return struct.unpack_from("<Q", greeting, HEAD.size + 48)[0]


def elsewhere_bytes(sluice, receiver):
    """What the gaps in a store say is in another one."""
    objects = map(json.loads, sluice.query(receiver, "--output", "json").splitlines())
    gaps = [x["gap"] for x in objects if "gap" in x]
    assert all(x["reason"] == "stored_elsewhere" and x["records"] is None for x in gaps)
    return sum(x["bytes"] for x in gaps)


def test_receivers_that_are_killed_in_turn(sluice):
    data = numbered(12 * MEGABYTE, 1)
    lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
    path = sluice.file("log", data)
    one, two = sluice.receiver("one"), sluice.receiver("two")
    with Proxy(one.port, hold_after=3 * MEGABYTE) as to_one, Proxy(two.port, hold_after=4 * MEGABYTE) as to_two:
        ship = sluice.start_ship(to_one, "--to", to_two.url, path, "--compression", "none", "--batch-bytes", "64KiB")
        to_one.wait_until_held()
        one.kill()
        to_two.wait_until_held()
        one = sluice.receiver("one", port=one.port)
        to_one.release()
        two.kill()
        assert ship.wait() == 0, ship
        known_first, known_second = acknowledged(to_two.sent[0]), acknowledged(to_one.sent[-1])
    in_one, in_two = stored_lines(sluice, one, path), stored_lines(sluice, two, path)
    for found in (in_one, in_two):
        assert found == sorted(set(found)), "a line is stored twice or out of order"
    assert set(in_one) | set(in_two) == set(range(len(lines)))
    assert in_two and known_first < known_second

    # What both have was on its way when one was killed: stored, and not yet known to be.
    begins = list(itertools.accumulate(map(len, lines), initial=0))
    first_run = next(i for i, line in enumerate([*in_one, None]) if i != line)
    for line in set(in_one) & set(in_two):
        assert begins[line] >= (known_first if line < first_run else known_second)

    # Gaps stand for all that a store lacks, up to its end.
    for receiver, found in ((one, in_one), (two, in_two)):
        upto = sum(map(len, lines[:found[-1] + 1]))
        assert sum(len(lines[i]) for i in found) + elsewhere_bytes(sluice, receiver) == upto


def test_a_receiver_that_does_not_answer_any_more(sluice):
    data = numbered(6 * MEGABYTE, 2)
    path = sluice.file("log", data)
    one, two = sluice.receiver("one"), sluice.receiver("two")
    with Proxy(one.port, hold_after=2 * MEGABYTE) as to_one:
        ship = sluice.start_ship(to_one, "--to", two.url, path, "--compression", "none", "--batch-bytes", "64KiB")
        to_one.wait_until_held()
        one.signal(signal.SIGSTOP)
        to_one.release()
        assert ship.wait() == 0, ship
    one.signal(signal.SIGCONT)
    assert "trying again" in "".join(ship.errors.lines())
    assert one.stop() == 0
    in_one, in_two = stored_lines(sluice, one, path), stored_lines(sluice, two, path)
    assert set(in_one) | set(in_two) == set(range(data.count(b"\n")))
    assert in_two[-1] == data.count(b"\n") - 1


def test_the_next_receiver_is_tried_at_once(sluice):
    path = sluice.file("log", b"a\n")
    gone, receiver = sluice.receiver("gone"), sluice.receiver("store")
    gone.kill()
    result = sluice.ship(gone.url, "--to", receiver.url, path, "--deadline", "5s")
    assert gone.url in result.err and "trying again" in result.err
    assert sluice.stored(receiver, path) == b"a\n"


def test_another_store_takes_what_a_full_one_refuses(sluice):
    if used_percent(sluice.tmp) < 10:
        pytest.skip("the file system of the temporary folder is nearly empty")
    path = sluice.file("log", b"a\nb\n")
    full, roomy = sluice.receiver("full", "--max-used-percent", "10"), sluice.receiver("roomy", "--max-used-percent", "100")
    result = sluice.ship(full, "--to", roomy.url, path, "--deadline", "20s")
    assert "full" in result.err
    assert sluice.stored(roomy, path) == b"a\nb\n" and sluice.count(full) == 0


def test_a_new_start_goes_on_at_another_receiver(sluice):
    parts = [numbered(300_000, seed) for seed in range(3)]
    path = sluice.file("log", parts[0])
    one, two = sluice.receiver("one"), sluice.receiver("two")
    sluice.ship(one, "--to", two.url, path)
    assert one.stop() == 0
    with path.open("ab") as growing:
        growing.write(parts[1])
    result = sluice.ship(one.url, "--to", two.url, path)
    assert shipped(result) == parts[1].count(b"\n")
    assert_same(sluice.stored(two, path), parts[1])
    assert elsewhere_bytes(sluice, two) == len(parts[0])

    # What it knew was only a cache: the receiver knows, too.
    (sluice.tmp / "state" / "checkpoints").unlink()
    with path.open("ab") as growing:
        growing.write(parts[2])
    assert shipped(sluice.ship(two, path)) == parts[2].count(b"\n")
    assert_same(sluice.stored(two, path), parts[1] + parts[2])

    # And the first one, once it is back, goes on behind what it lacks.
    one = sluice.receiver("one", port=one.port)
    with path.open("ab") as growing:
        growing.write(b"last\n")
    assert shipped(sluice.ship(one, path)) == 1
    assert_same(sluice.stored(one, path), parts[0] + b"last\n")
    assert elsewhere_bytes(sluice, one) == len(parts[1]) + len(parts[2])

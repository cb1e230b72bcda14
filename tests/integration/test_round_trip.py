"""What is shipped is stored, once, and comes back byte by byte."""

import base64
import json
import os
import pathlib
import random
import subprocess

import pytest

from support import Proxy, assert_same, feed, log_lines, noise, segments, shipped

MEGABYTE = 1_000_000
LEAST_RECORD_LIMIT = MEGABYTE  # lines up to this length are one record


def long_line(size, seed):
    part = random.Random(seed).randbytes(100_003).replace(b"\n", b" ")
    return (part * (size // len(part) + 1))[:size]


HOSTILE = {
    "nul": b"a\0b\n\0\n\0\0",
    "not-utf-8": b"\xff\xfe\n\xc3\n\xed\xa0\x80\n\xf8\x88\x80\x80\x80\n",
    "crlf": b"one\r\ntwo\r\n\r\n\r\r\nlast\r",
    "empty-lines": b"\n\na\n\n\nb\n\n",
    "only-newlines": b"\n" * 10_000,
    "one-newline": b"\n",
    "empty": b"",
    "no-last-newline": b"first\nsecond without end",
    "one-byte": b"x",
    "every-byte": bytes(range(256)) * 3,
    "10-mb-line": b"before\n" + long_line(10 * MEGABYTE, 1) + b"\nafter\n",
    "40-mb-line": b"before\n" + long_line(40 * MEGABYTE, 2) + b"\nafter\n",
    "40-mb-line-without-end": long_line(40 * MEGABYTE + 1, 3),
    "noise": random.Random(4).randbytes(3 * MEGABYTE),
    "escape-codes": b"\x1b[31mred\x1b[0m\n\x1b]0;title\x07\n",
}


def records_of(data):
    return data.count(b"\n") + (0 if data.endswith(b"\n") or not data else 1)


def test_hostile_lines_come_back_as_they_were(sluice):
    receiver = sluice.receiver()
    files = {name: sluice.file(f"hostile/{name}", data) for name, data in HOSTILE.items()}
    sluice.ship(receiver, *files.values())
    for name, path in files.items():
        assert_same(sluice.stored(receiver, path), HOSTILE[name])
    for name in ("nul", "crlf", "only-newlines", "10-mb-line", "empty"):
        assert sluice.count(receiver, "--label", f"source={files[name]}") == records_of(HOSTILE[name]), name


def test_several_files_under_their_labels(sluice):
    receiver = sluice.receiver()
    contents = {f"{name}.log": log_lines(5000, seed) for seed, name in enumerate("abc")}
    files = {sluice.file(name, data): data for name, data in contents.items()}
    result = sluice.ship(receiver, *files, "--label", "service=shop", "--label", "zone=eu-1")
    assert shipped(result) == 15_000
    for path, data in files.items():
        assert_same(sluice.stored(receiver, path), data)
    assert sluice.count(receiver, "--label", "service=shop", "--label", "zone=eu-1") == 15_000
    assert sluice.count(receiver, "--label", "service=none") == 0


def test_paths_are_made_absolute(sluice):
    receiver = sluice.receiver()
    path = sluice.file("logs/a.log", b"a\n")
    sluice.ship(receiver, "logs/../logs/./a.log")
    assert sluice.stored(receiver, path) == b"a\n"


def test_patterns(sluice):
    receiver = sluice.receiver()
    for name in ("x/1.log", "x/2.log", "x/3.txt", "y/4.log", "y/[odd].log"):
        sluice.file(name, name.encode() + b"\n")
    sluice.ship(receiver, str(sluice.tmp / "x/*.log"), str(sluice.tmp / "?/4.log"), str(sluice.tmp / "y/[odd].log"))
    stored = sorted(sluice.query(receiver).splitlines())
    assert stored == [b"x/1.log", b"x/2.log", b"y/4.log", b"y/[odd].log"]


def test_a_file_named_twice_is_shipped_once(sluice):
    receiver = sluice.receiver()
    path = sluice.file("log", b"a\nb\n")
    (sluice.tmp / "link").symlink_to(path)
    sluice.ship(receiver, path, path, sluice.tmp / "link")
    assert sluice.count(receiver) == 2


@pytest.mark.parametrize("data", [log_lines(20_000, 5), b"", b"no end", b"\n"], ids=["lines", "empty", "no-end", "lf"])
def test_standard_input(sluice, data):
    receiver = sluice.receiver()
    sluice.ship(receiver, "-", input=data)
    assert_same(sluice.stored(receiver, "stdin"), data)


def test_standard_input_that_comes_slowly_is_flushed_when_idle(sluice):
    receiver = sluice.receiver()
    ship = sluice.start_ship(receiver, "-", stdin=subprocess.PIPE)
    ship.stdin.write(b"first\n")
    ship.stdin.flush()
    while sluice.count(receiver) < 1:
        assert ship.is_running
    feed(ship, b"second\n")
    assert ship.wait() == 0
    assert sluice.stored(receiver, "stdin") == b"first\nsecond\n"


def test_a_named_pipe(sluice):
    receiver = sluice.receiver()
    fifo = sluice.tmp / "fifo"
    os.mkfifo(fifo)
    ship = sluice.start_ship(receiver, fifo)
    with fifo.open("wb") as pipe:
        pipe.write(b"first\nsecond, without end")
    assert ship.wait() == 0
    assert sluice.stored(receiver, fifo) == b"first\nsecond, without end"


def test_a_named_pipe_that_nobody_writes_to_does_not_hold_up_the_end(sluice):
    receiver = sluice.receiver()
    fifo = sluice.tmp / "fifo"
    os.mkfifo(fifo)
    ship = sluice.start_ship(receiver, fifo, "--deadline", "1s")
    assert ship.wait() == 75


@pytest.mark.parametrize("options", [
    ("--batch-bytes", "1KiB"),
    ("--batch-bytes", "16MiB", "--batch-events", "1000000"),
    ("--batch-events", "1"),
    ("--batch-events", "1000000"),
    ("--flush-interval", "1ms"),
    ("--compression", "none"),
    ("--compression", "zstd:19"),
    ("--compression", "zstd"),
], ids=" ".join)
def test_options_do_not_change_what_is_stored(sluice, options):
    receiver = sluice.receiver()
    data = log_lines(2000, 6) + long_line(70_000, 7) + b"\n" + noise(30_000, 8)
    path = sluice.file("log", data)
    sluice.ship(receiver, path, *options)
    assert_same(sluice.stored(receiver, path), data)


def test_stored_compressed(sluice):
    receiver = sluice.receiver()
    data = log_lines(20_000, 9)
    sluice.ship(receiver, sluice.file("log", data))
    assert sum(x.stat().st_size for x in segments(receiver.store)) < len(data) / 2


def test_shipping_again_stores_nothing_twice(sluice):
    receiver = sluice.receiver()
    files = {sluice.file(name, data): data for name, data in
             {"a": log_lines(3000, 10), "b": b"no end", "c": b"", "d": b"\n\n"}.items()}
    sluice.ship(receiver, *files)
    before = [x.stat().st_size for x in segments(receiver.store)]
    assert shipped(sluice.ship(receiver, *files)) == 0
    assert [x.stat().st_size for x in segments(receiver.store)] == before
    for path, data in files.items():
        assert_same(sluice.stored(receiver, path), data)


@pytest.mark.parametrize("parts", [
    [b"one\n", b"two\n", b"three\n"],
    [b"no e", b"nd, and ", b"then one\nmore"],
    [b"", b"now something\n"],
    [b"", b"", b"x", b"", b"\n"],
    [log_lines(30_000, 11), log_lines(10, 12), log_lines(30_000, 13)],
    [long_line(20 * MEGABYTE, 14), long_line(20 * MEGABYTE, 15), b"\n"],
], ids=["lines", "within-a-line", "empty-first", "byte-by-byte", "large", "long-line"])
def test_only_what_a_file_has_grown_by_is_shipped(sluice, parts):
    receiver = sluice.receiver()
    path = sluice.file("log", b"")
    whole = b""
    for part in parts:
        whole += part
        with path.open("ab") as growing:
            growing.write(part)
        sent = shipped(sluice.ship(receiver, path))
        assert sent <= records_of(part) + len(part) // LEAST_RECORD_LIMIT
        assert_same(sluice.stored(receiver, path), whole)


def test_a_truncated_file_starts_over(sluice):
    receiver = sluice.receiver()
    head = log_lines(100, 16)
    path = sluice.file("log", head + b"rest\n")
    sluice.ship(receiver, path)
    with path.open("r+b") as cut:
        cut.truncate(len(head))
    result = sluice.ship(receiver, path)
    assert "truncated" in result.err
    assert_same(sluice.stored(receiver, path), head + b"rest\n" + head)


def test_a_replaced_file_is_another_stream(sluice):
    receiver = sluice.receiver()
    path = sluice.file("log", b"old\n")
    sluice.ship(receiver, path)
    sluice.file("log.new", b"new, and longer\n").rename(path)
    sluice.ship(receiver, path)
    assert sluice.stored(receiver, path) == b"old\nnew, and longer\n"


def test_a_renamed_file_goes_on(sluice):
    receiver = sluice.receiver()
    path = sluice.file("log", b"old\n")
    sluice.ship(receiver, path)
    moved = path.rename(sluice.tmp / "log.1")
    assert shipped(sluice.ship(receiver, moved)) == 0
    assert sluice.count(receiver) == 1


def test_another_state_is_another_producer(sluice):
    receiver = sluice.receiver()
    path = sluice.file("log", b"a\nb\n")
    sluice.ship(receiver, path, state="state-1")
    sluice.ship(receiver, path, state="state-2")
    records = [json.loads(x) for x in sluice.query(receiver, "--output", "json").splitlines()]
    assert [x["body"] for x in records] == ["a", "b", "a", "b"]
    assert len({x["stream"].split("/")[0] for x in records}) == 2


def test_many_small_files(sluice):
    receiver = sluice.receiver()
    files = {sluice.file(f"many/{i:03d}", data): data
             for i in range(300) for data in [f"file {i}\n".encode() * (i % 7) + b"end" * (i % 2)]}
    sluice.ship(receiver, str(sluice.tmp / "many/*"))
    bodies = {}
    for line in sluice.query(receiver, "--output", "json").splitlines():
        record = json.loads(line)
        end = b"" if record.get("unterminated") else b"\n"
        source = pathlib.Path(record["labels"]["source"])
        bodies[source] = bodies.get(source, b"") + record["body"].encode() + end
    assert bodies == {path: data for path, data in files.items() if data}


def test_two_shippers_at_once(sluice):
    receiver = sluice.receiver()
    contents = [noise(8 * MEGABYTE, seed) for seed in (17, 18)]
    paths = [sluice.file(f"log-{i}", data) for i, data in enumerate(contents)]
    ships = [sluice.start_ship(receiver, path, state=f"state-{i}") for i, path in enumerate(paths)]
    assert [x.wait() for x in ships] == [0, 0]
    for path, data in zip(paths, contents):
        assert_same(sluice.stored(receiver, path), data)


def test_short_files_of_two_shippers_with_one_state_grow(sluice):
    receiver = sluice.receiver()
    folders = [[sluice.file(f"{side}/{i:03d}", b"one\n") for i in range(100)] for side in "ab"]
    ships = [sluice.start_ship(receiver, *paths) for paths in folders]
    assert [x.wait() for x in ships] == [0, 0]
    paths = folders[0] + folders[1]
    for path in paths:
        with path.open("ab") as log:
            log.write(b"two\n")
    sluice.ship(receiver, *paths)
    assert sluice.count(receiver) == 2 * len(paths)


def test_two_shippers_of_the_same_file_and_state(sluice):
    receiver = sluice.receiver()
    data = noise(20 * MEGABYTE, 19)
    path = sluice.file("log", data)
    ships = [sluice.start_ship(receiver, path) for _ in range(2)]
    # The one that started last wins; the other may have been done by then.
    codes = sorted(x.wait() for x in ships)
    assert codes in ([0, 0], [0, 75]), ships
    assert codes[1] == 0 or any("newer" in "".join(x.errors.lines()) for x in ships)
    assert_same(sluice.stored(receiver, path), data)


@pytest.mark.parametrize("durability", ["fsync", "os", "memory"])
def test_a_receiver_goes_on_where_the_last_one_stopped(sluice, durability):
    one, two = log_lines(3000, 20), log_lines(3000, 21)
    path = sluice.file("log", one)
    receiver = sluice.receiver("store", "--durability", durability)
    sluice.ship(receiver, path)
    assert receiver.stop() == 0
    path.write_bytes(one + two)
    receiver = sluice.receiver("store", "--durability", durability)
    assert shipped(sluice.ship(receiver, path)) == 3000
    assert_same(sluice.stored(receiver, path), one + two)


def test_a_killed_receiver_loses_and_doubles_nothing(sluice):
    data = noise(12 * MEGABYTE, 22)
    path = sluice.file("log", data)
    first = sluice.receiver()
    with Proxy(first.port, hold_after=5 * MEGABYTE) as proxy:
        ship = sluice.start_ship(proxy, path, "--compression", "none", "--batch-bytes", "256KiB")
        proxy.wait_until_held()
        first.kill()
        ship.errors.wait_for("trying again")
        second = sluice.receiver(port=first.port)
        proxy.release()
        assert ship.wait() == 0
    assert_same(sluice.stored(second, path), data)


def test_standard_input_survives_a_killed_receiver(sluice):
    data = noise(4 * MEGABYTE, 23)
    first = sluice.receiver()
    with Proxy(first.port, hold_after=MEGABYTE) as proxy:
        ship = sluice.start_ship(proxy, "-", "--compression", "none", stdin=subprocess.PIPE)
        ship.stdin.write(data[:2 * MEGABYTE])
        ship.stdin.flush()
        proxy.wait_until_held()
        first.kill()
        ship.errors.wait_for("trying again")
        second = sluice.receiver(port=first.port)
        proxy.release()
        feed(ship, data[2 * MEGABYTE:])
        assert ship.wait() == 0
    assert_same(sluice.stored(second, "stdin"), data)


def test_a_killed_shipper_goes_on_where_it_stopped(sluice):
    data = noise(8 * MEGABYTE, 24)
    path = sluice.file("log", data)
    receiver = sluice.receiver()
    with Proxy(receiver.port, hold_after=3 * MEGABYTE) as proxy:
        ship = sluice.start_ship(proxy, path, "--compression", "none")
        proxy.wait_until_held()
        ship.kill()
    sluice.ship(receiver, path)
    assert_same(sluice.stored(receiver, path), data)


def test_progress(sluice):
    receiver = sluice.receiver()
    path = sluice.file("log", noise(4 * MEGABYTE, 25))
    with Proxy(receiver.port, hold_after=2 * MEGABYTE) as proxy:
        ship = sluice.start_ship(proxy, path, "--progress", "--compression", "none")
        ship.errors.wait_for(r"\d+ records acknowledged, .*/s")
        proxy.release()
        assert ship.wait() == 0


def test_bodies_that_are_not_utf_8_in_json(sluice):
    receiver = sluice.receiver()
    path = sluice.file("log", b"\xff\x00\n")
    sluice.ship(receiver, path)
    record, = [json.loads(x) for x in sluice.query(receiver, "--output", "json").splitlines()]
    assert base64.b64decode(record["body_base64"]) == b"\xff\x00"


@pytest.mark.skipif("SLUICE_LOGHUB" not in os.environ, reason="SLUICE_LOGHUB names no folder of logs")
def test_loghub(sluice):
    folder = pathlib.Path(os.environ["SLUICE_LOGHUB"])
    paths = sorted(x.resolve() for x in folder.rglob("*") if x.is_file() and os.access(x, os.R_OK))
    assert paths, folder
    receiver = sluice.receiver()
    sluice.ship(receiver, *paths)
    for path in paths:
        assert_same(sluice.stored(receiver, path), path.read_bytes())

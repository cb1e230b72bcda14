"""What `sluice query` selects, prints and refuses."""

import base64
import datetime
import json
import subprocess

import pytest

from support import Proxy, assert_same, log_lines, noise, segments

FIELDS = {"timestamp", "severity", "body", "labels", "attributes", "stream", "sequence"}
LINES = [b"alpha one", b"beta two", b"", b"alpha [three]", b"caf\xc3\xa9 four", b"\xff\xfe five", b"tab\there \"q\" \\"]


@pytest.fixture
def store(sluice):
    """Two streams: LINES under service=shop, others under service=mail."""
    receiver = sluice.receiver()
    sluice.ship(receiver, sluice.file("shop.log", b"\n".join(LINES) + b"\n"), "--label", "service=shop")
    sluice.ship(receiver, sluice.file("mail.log", b"mail one\nmail two\n"), "--label", "service=mail")
    return receiver.store


def as_json(sluice, store, *arguments):
    return [json.loads(x) for x in sluice.query(store, "--output", "json", *arguments).splitlines()]


def body(record):
    return base64.b64decode(record["body_base64"]) if "body_base64" in record else record["body"].encode()


def test_json(sluice, store):
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    records = as_json(sluice, store, "--label", "service=shop")
    assert [body(x) for x in records] == LINES
    for record in records:
        assert FIELDS <= set(record)
        assert record["labels"]["service"] == "shop"
        assert record["labels"]["source"] == str(sluice.tmp / "shop.log")
        assert record["labels"]["host"]
        assert record["severity"] is None and record["attributes"] == {}
        assert isinstance(record["sequence"], int)
        stamp = datetime.datetime.fromisoformat(record["timestamp"][:26] + "+00:00")
        assert before < stamp < before + datetime.timedelta(hours=2)
    assert len({x["stream"] for x in records}) == 1
    assert [("body_base64" in x) for x in records] == [x.startswith(b"\xff") for x in LINES]


def test_count(sluice, store):
    assert sluice.count(store) == len(LINES) + 2
    assert sluice.count(store, "--label", "service=mail") == 2
    assert sluice.count(store, "--contains", "nowhere") == 0
    assert sluice.query(store, "--output", "count") == b"%d\n" % (len(LINES) + 2)


def test_labels_must_all_match(sluice, store):
    assert sluice.count(store, "--label", "service=shop", "--label", f"source={sluice.tmp}/shop.log") == len(LINES)
    assert sluice.count(store, "--label", "service=shop", "--label", f"source={sluice.tmp}/mail.log") == 0
    assert sluice.count(store, "--label", "service=sho") == 0


@pytest.mark.parametrize("arguments, expected", [
    (["--contains", "alpha"], [b"alpha one", b"alpha [three]"]),
    (["--contains", "[three]"], [b"alpha [three]"]),
    (["--contains", "ALPHA"], []),
    (["--match", "^alpha"], [b"alpha one", b"alpha [three]"]),
    (["--match", "(?i)ALPHA$|two$"], [b"beta two", b"mail two"]),
    (["--match", "^$"], [b""]),
    (["--match", "one", "--contains", "mail"], [b"mail one"]),
    (["--contains", "café"], [b"caf\xc3\xa9 four"]),
    (["--limit", "2"], LINES[:2]),
    (["--limit", "1", "--contains", "two", "--label", "service=mail"], [b"mail two"]),
    (["--severity", "warning"], []),
], ids=lambda x: " ".join(x) if x and isinstance(x[0], str) else "")
def test_filters(sluice, store, arguments, expected):
    assert sluice.query(store, *arguments) == b"".join(x + b"\n" for x in expected)
    assert [body(x) for x in as_json(sluice, store, *arguments)] == expected
    assert sluice.count(store, *arguments) == len(expected)


def test_limit_within_many_batches(sluice):
    receiver = sluice.receiver()
    data = log_lines(10_000, 1)
    sluice.ship(receiver, sluice.file("log", data), "--batch-bytes", "16KiB")
    lines = data.splitlines(keepends=True)
    for limit in (1, 4095, 9999, 10_000, 20_000):
        assert_same(sluice.query(receiver, "--limit", str(limit)), b"".join(lines[:limit]))
    assert sluice.count(receiver, "--limit", "17") == 17


def test_time_range(sluice, store):
    times = {x["timestamp"] for x in as_json(sluice, store, "--label", "service=shop")}
    first, last = min(times), max(times)
    mail = min(x["timestamp"] for x in as_json(sluice, store, "--label", "service=mail"))
    everything = len(LINES) + 2
    assert sluice.count(store, "--since", first) == everything
    assert sluice.count(store, "--until", first) == 0
    assert sluice.count(store, "--since", mail) == 2
    assert sluice.count(store, "--until", mail) == len(LINES)
    assert sluice.count(store, "--since", last, "--until", mail) > 0
    assert sluice.count(store, "--since", "1h") == everything
    assert sluice.count(store, "--until", "1h") == 0
    assert sluice.count(store, "--since", "2001-02-03") == everything
    assert sluice.count(store, "--until", "2001-02-03T04:05:06Z") == 0
    assert sluice.count(store, "--since", "2001-02-03T04:05:06+05:00", "--until", "2101-01-01") == everything


@pytest.mark.parametrize("arguments, code, says", [
    (["--match", "(unclosed"], 64, "unclosed"),
    (["--match", "a{1,100000}"], 64, "repetition"),
    (["--since", "yesterday-ish"], 64, "yesterday-ish"),
    (["--until", "2026-13-45"], 64, "2026-13-45"),
    (["--label", "novalue"], 64, "novalue"),
    (["--severity", "loud"], 64, "loud"),
    (["--limit", "-1"], 64, "--limit: '-1' is not a whole number between 0 and 1000000000000"),
    (["--limit", "many"], 64, "--limit: 'many' is not a whole number"),
    (["--limit", "1.5"], 64, "--limit: '1.5' is not a whole number"),
    (["--output", "xml"], 64, "xml"),
    (["--nonsense"], 64, "nonsense"),
], ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_wrong_arguments(sluice, store, arguments, code, says):
    result = sluice.run("query", "--store", store, *arguments)
    assert (result.code, result.out) == (code, b""), result
    assert says in result.err, result


def test_no_store_at_all(sluice):
    result = sluice.run("query")
    assert result.code == 64 and "--store" in result.err, result
    result = sluice.run("query", "--store", sluice.tmp / "missing")
    assert result.code == 74 and str(sluice.tmp / "missing") in result.err, result
    result = sluice.run("query", "--store", sluice.file("a-file", b"text"))
    assert result.code == 74 and "a-file" in result.err, result


def test_a_folder_that_is_no_store(sluice):
    folder = sluice.tmp / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    for verb in (["query", "--store"], ["store", "inspect"], ["store", "verify"], ["store", "repair"]):
        result = sluice.run(*verb, folder)
        assert (result.code, result.out) == (65, b""), result
        assert f"{folder}: is not a store" in result.err, result
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_damaged_segment_is_named_once(sluice):
    receiver = sluice.receiver()
    sluice.ship(receiver, sluice.file("log", b"a\n"))
    receiver.stop()
    victim = segments(receiver.store)[0]
    victim.write_bytes(b"no segment" * 10)
    sluice.damaged.add(receiver.store)
    for verb in (["query", "--store"], ["store", "inspect"], ["store", "verify"]):
        result = sluice.run(*verb, receiver.store)
        assert result.code == 65 and result.err.count(str(victim)) == 1, result


def test_no_count_of_a_store_that_is_not_there(sluice):
    result = sluice.run("query", "--store", sluice.tmp / "nosuch", "--output", "count")
    assert result.code == 74 and result.out == b"" and "nosuch" in result.err, result


def test_a_label_that_is_given_twice(sluice, store):
    result = sluice.run("query", "--store", store, "--label", "x=1", "--label", "x=2")
    assert result.code == 64 and result.out == b"" and "label 'x' is given twice" in result.err, result


def test_an_empty_store(sluice):
    receiver = sluice.receiver()
    assert sluice.query(receiver) == b""
    assert sluice.query(receiver, "--output", "json") == b""
    assert sluice.count(receiver) == 0


def test_while_a_receiver_writes(sluice):
    data = noise(12_000_000, 2)
    path = sluice.file("log", data)
    receiver = sluice.receiver("store", "--segment-bytes", "2MiB")
    with Proxy(receiver.port, hold_after=6_000_000) as proxy:
        ship = sluice.start_ship(proxy, path, "--compression", "none", "--batch-bytes", "64KiB")
        part = b""
        while len(part) < 1_000_000:
            assert ship.is_running
            part = sluice.stored(receiver, path)
            assert data.startswith(part)
        proxy.wait_until_held()
        proxy.release()
        while ship.is_running:
            more = sluice.stored(receiver, path)
            assert data.startswith(more) and len(more) >= len(part)
            part = more
        assert ship.wait() == 0
    assert_same(sluice.stored(receiver, path), data)


@pytest.mark.parametrize("output", ["raw", "json"])
def test_a_reader_that_leaves_early(sluice, output):
    receiver = sluice.receiver()
    sluice.ship(receiver, sluice.file("log", log_lines(50_000, 3)))
    query = sluice.start(["query", "--store", receiver.store, "--output", output], stdout=subprocess.PIPE)
    assert query.stdout.readline()
    query.stdout.close()
    assert query.wait() == 0
    assert query.errors.lines() == []


def test_a_full_standard_output(sluice, store):
    with open("/dev/full", "wb") as full:
        query = sluice.start(["query", "--store", store], stdout=full)
        assert query.wait() == 74
    assert "standard output" in query.errors.lines()[0]

"""`sluice store inspect` and `verify`, rotation, and what a start makes of a store that a crash left behind."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from support import BINARY, Proxy, Receiver, assert_same, log_lines, noise, segments, shipped


def inspect(sluice, store):
    result = sluice.run("store", "inspect", "--json", store)
    assert result.code == 0, result
    return json.loads(result.out)


def verify(sluice, store):
    return sluice.run("store", "verify", store)


def flip(path, offset):
    with path.open("r+b") as damaged:
        damaged.seek(offset)
        byte = damaged.read(1)[0]
        damaged.seek(offset)
        damaged.write(bytes([byte ^ 0x10]))


def test_inspect(sluice):
    receiver = sluice.receiver()
    data = log_lines(2000, 1)
    path = sluice.file("log", data)
    sluice.ship(receiver, path, "--label", "service=shop")
    found = inspect(sluice, receiver.store)
    segment, = found["segments"]
    stream, = found["streams"]
    assert segment["number"] == 1 and segment["state"] == "active" and segment["records"] == 2000
    assert segment["stored_bytes"] == segments(receiver.store)[0].stat().st_size
    assert stream["position"] == len(data) and stream["epoch"] == 1
    assert stream["labels"]["service"] == "shop" and stream["labels"]["source"] == str(path)
    assert found["total"]["records"] == 2000 and found["damages"] == []
    table = sluice.run("store", "inspect", receiver.store)
    assert table.code == 0
    assert re.search(rb"1 +active +\d+ +2000", table.out) and b'service="shop"' in table.out


@pytest.mark.parametrize("verb", ["inspect", "verify", "repair"])
def test_a_full_standard_output(sluice, verb):
    receiver = sluice.receiver()
    receiver.stop()
    with open("/dev/full", "wb") as full:
        process = sluice.start(["store", verb, receiver.store], stdout=full)
        assert process.wait() == 74
    assert "standard output" in process.errors.lines()[0]


def test_an_empty_store(sluice):
    receiver = sluice.receiver()
    assert inspect(sluice, receiver.store)["total"]["records"] == 0
    assert verify(sluice, receiver.store).code == 0


@pytest.mark.parametrize("verb", ["inspect", "verify"])
def test_no_store(sluice, verb):
    result = sluice.run("store", verb, sluice.tmp / "missing")
    assert result.code == 74 and "missing" in result.err, result
    assert sluice.run("store", verb).code == 64
    assert sluice.run("store").code == 64


def test_rotation(sluice):
    receiver = sluice.receiver("store", "--segment-bytes", "64KiB")
    files = {sluice.file(f"log-{i}", data): data for i, data in enumerate([noise(1_000_000, 2), log_lines(30_000, 3)])}
    sluice.ship(receiver, *files, "--batch-bytes", "16KiB")
    assert len(segments(receiver.store)) > 15
    for path, data in files.items():
        assert_same(sluice.stored(receiver, path), data)
    found = inspect(sluice, receiver.store)
    assert [x["state"] for x in found["segments"][:-1]] == ["sealed"] * (len(found["segments"]) - 1)
    assert sum(x["records"] for x in found["segments"]) == found["total"]["records"]
    result = verify(sluice, receiver.store)
    assert result.code == 0 and b" 0 problems" in result.out, result


def test_rotation_over_a_restart(sluice):
    data = noise(800_000, 4)
    path = sluice.file("log", data)
    receiver = sluice.receiver("store", "--segment-bytes", "64KiB")
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    assert receiver.stop() == 0
    path.write_bytes(data + data)
    receiver = sluice.receiver("store", "--segment-bytes", "100KiB")
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    assert_same(sluice.stored(receiver, path), data + data)


def test_one_frame_larger_than_a_segment(sluice):
    data = b"x" * 3_000_000 + b"\n" + noise(100_000, 5)
    path = sluice.file("log", data)
    receiver = sluice.receiver("store", "--segment-bytes", "64KiB")
    sluice.ship(receiver, path, "--compression", "none")
    assert_same(sluice.stored(receiver, path), data)


@pytest.mark.parametrize("which", ["sealed", "active"])
def test_a_flipped_byte_is_found_and_passed_over(sluice, which):
    receiver = sluice.receiver("store", "--segment-bytes", "256KiB")
    sluice.damaged.add(receiver.store)
    data = noise(600_000, 6)
    path = sluice.file("log", data)
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    assert receiver.stop() == 0
    assert verify(sluice, receiver.store).code == 0
    victim = segments(receiver.store)[0 if which == "sealed" else -1]
    flip(victim, victim.stat().st_size // 2)
    result = verify(sluice, receiver.store)
    assert result.code == 65, result
    named = re.search(rf"{re.escape(str(victim))}:(\d+): ", result.err)
    assert named and int(named[1]) <= victim.stat().st_size // 2, result
    assert b" 0 problems" not in result.out
    assert re.search(rb"problems? \(\d+ records in damaged frames\)", result.out) or which == "active", result
    partial = sluice.run("query", "--store", receiver.store)
    assert partial.code == 65 and str(victim) in partial.err, partial
    assert 0 < len(partial.out) < len(data)


@pytest.mark.parametrize("part", ["header", "footer"])
def test_a_flipped_byte_outside_of_frames(sluice, part):
    receiver = sluice.receiver("store", "--segment-bytes", "64KiB")
    sluice.damaged.add(receiver.store)
    sluice.ship(receiver, sluice.file("log", noise(200_000, 7)), "--batch-bytes", "16KiB")
    assert receiver.stop() == 0
    victim = segments(receiver.store)[0]
    flip(victim, 9 if part == "header" else victim.stat().st_size - 60)
    result = verify(sluice, receiver.store)
    assert result.code == 65 and f"{victim}:" in result.err, result


def test_a_receiver_does_not_start_over_corruption(sluice):
    receiver = sluice.receiver()
    sluice.damaged.add(receiver.store)
    path = sluice.file("log", noise(400_000, 8))
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    assert receiver.stop() == 0
    victim, = segments(receiver.store)
    content = victim.read_bytes()
    flip(victim, content.rindex(b"SLFR", 0, len(content) // 2) + 60)
    before = victim.read_bytes()
    result = sluice.run("receive", "--listen", "tcp://127.0.0.1:0", "--store", receiver.store)
    assert result.code == 65 and f"{victim}:" in result.err, result
    assert victim.read_bytes() == before


def as_nobody(sluice):
    """How to start a process that file permissions hold for, also where the tests run as root."""
    if os.geteuid() != 0:
        return ()
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    if subprocess.run([*nobody, BINARY, "--version"], capture_output=True).returncode != 0:
        pytest.skip("nobody but root may run the program to test")
    sluice.tmp.chmod(0o755)
    return nobody


def test_a_folder_that_cannot_be_written(sluice):
    nobody = as_nobody(sluice)
    store = sluice.tmp / "readonly"
    store.mkdir(mode=0o555)
    receiver = sluice.start(store, kind=Receiver, before=nobody)
    assert receiver.wait() == 73, receiver
    receiver.errors.wait_for(f"{re.escape(str(store))}.*Permission denied")
    assert list(store.iterdir()) == []


def test_a_folder_that_cannot_be_written_any_more(sluice):
    nobody = as_nobody(sluice)
    store = sluice.tmp / "store"
    store.mkdir()
    store.chmod(0o777)
    receiver = sluice.receiver("store", "--segment-bytes", "64KiB", before=nobody)
    data = noise(1_000_000, 35)
    path = sluice.file("log", data)
    store.chmod(0o555)
    ship = sluice.start_ship(receiver, path, "--batch-bytes", "16KiB")
    receiver.errors.wait_for("Permission denied")
    assert ship.is_running and receiver.is_running
    store.chmod(0o777)
    assert ship.wait() == 0, ship
    assert_same(sluice.stored(receiver, path), data)


def repair(sluice, store):
    return sluice.run("store", "repair", store)


def test_repair_of_a_whole_store(sluice):
    receiver = sluice.receiver()
    sluice.ship(receiver, sluice.file("log", log_lines(1000, 30)))
    refused = repair(sluice, receiver.store)
    assert refused.code == 73 and str(receiver.pid) in refused.err, refused
    assert receiver.stop() == 0
    result = repair(sluice, receiver.store)
    assert result.code == 0 and b": whole" in result.out and b"1 segment, 0 written anew" in result.out, result
    missing = repair(sluice, sluice.tmp / "missing")
    assert missing.code == 74 and not (sluice.tmp / "missing").exists(), missing


@pytest.mark.parametrize("which", ["first", "newest"])
def test_a_repaired_store_starts_again(sluice, which):
    arguments = ("--segment-bytes", "256KiB")
    receiver = sluice.receiver("store", *arguments)
    data = noise(600_000, 31)
    path = sluice.file("log", data)
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    assert receiver.stop() == 0
    victim = segments(receiver.store)[0 if which == "first" else -1]
    flip(victim, victim.stat().st_size // 2)
    damaged = victim.read_bytes()
    result = repair(sluice, receiver.store)
    assert result.code == 65 and "lacks at least 1 frame," in result.err, result
    assert f"{victim}: written anew" in result.out.decode(), result
    assert pathlib.Path(f"{victim}.broken").read_bytes() == damaged
    assert verify(sluice, receiver.store).code == 0
    receiver = sluice.receiver("store", *arguments)
    more = noise(50_000, 32)
    path.write_bytes(data + more)
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    stored = sluice.stored(receiver, path)
    assert stored.endswith(more)
    lost = len(data) + len(more) - len(stored)
    assert 0 < lost < 20_000, lost


def test_a_repair_that_loses_nothing(sluice):
    receiver = sluice.receiver("store", "--segment-bytes", "64KiB")
    data = noise(200_000, 33)
    path = sluice.file("log", data)
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    assert receiver.stop() == 0
    victim = segments(receiver.store)[0]
    with victim.open("r+b") as shortened:
        shortened.truncate(victim.stat().st_size - 30)  # part of the footer
    assert verify(sluice, receiver.store).code == 65
    result = repair(sluice, receiver.store)
    assert result.code == 0 and b"1 written anew" in result.out, result
    assert_same(sluice.stored(receiver, path), data)


@pytest.mark.parametrize("tear", ["cut-within-a-frame", "cut-to-the-header", "garbage", "zeros", "half-a-frame-again"])
def test_a_torn_tail_is_cut_reported_and_shipped_again(sluice, tear):
    data = noise(300_000, 9)
    path = sluice.file("log", data)
    receiver = sluice.receiver()
    sluice.ship(receiver, path, "--batch-bytes", "16KiB")
    size = segments(receiver.store)[0].stat().st_size
    sluice.ship(receiver, sluice.file("last", noise(40_000, 10)), "--batch-bytes", "64KiB", "--compression", "none")
    receiver.kill()
    victim, = segments(receiver.store)
    with victim.open("r+b") as torn:
        if tear == "cut-within-a-frame":
            torn.truncate(victim.stat().st_size - 20_000)
        elif tear == "cut-to-the-header":
            torn.truncate(size + 100)
        elif tear == "half-a-frame-again":
            torn.seek(size)
            last = torn.read()
            torn.write(last[:len(last) // 2])
        else:
            torn.seek(0, 2)
            torn.write(noise(5000, 11) if tear == "garbage" else bytes(5000))
    receiver = sluice.receiver()
    receiver.errors.wait_for("cut off")
    told, = receiver.complaints("cut off")
    assert str(victim) in told and re.search(r"cut off \d+ bytes", told)
    sluice.ship(receiver, path, sluice.tmp / "last")
    assert_same(sluice.stored(receiver, path), data)
    assert_same(sluice.stored(receiver, sluice.tmp / "last"), noise(40_000, 10))


def test_an_orderly_stop_leaves_nothing_to_cut(sluice):
    receiver = sluice.receiver()
    sluice.ship(receiver, sluice.file("log", noise(100_000, 12)))
    assert receiver.stop() == 0
    receiver = sluice.receiver()
    assert receiver.stop() == 0
    assert receiver.complaints() == []


def test_what_was_acknowledged_outlives_a_killed_receiver(sluice):
    whole = b""
    path = sluice.file("log", whole)
    for round in range(4):
        part = noise(200_000, 13 + round)
        whole += part
        with path.open("ab") as growing:
            growing.write(part)
        receiver = sluice.receiver("store", "--segment-bytes", "100KiB")
        assert shipped(sluice.ship(receiver, path, "--batch-bytes", "16KiB")) == part.count(b"\n")
        receiver.kill()
        assert_same(sluice.stored(receiver, path), whole)
        assert verify(sluice, receiver.store).code == 0


def test_a_receiver_killed_while_it_rotates(sluice):
    data = noise(3_000_000, 20)
    path = sluice.file("log", data)
    receiver = sluice.receiver("store", "--segment-bytes", "64KiB")
    with Proxy(receiver.port, hold_after=1_500_000) as proxy:
        ship = sluice.start_ship(proxy, path, "--compression", "none", "--batch-bytes", "16KiB")
        proxy.wait_until_held()
        receiver.kill()
        assert verify(sluice, receiver.store).code == 0
        receiver = sluice.receiver("store", "--segment-bytes", "64KiB", port=receiver.port)
        proxy.release()
        assert ship.wait() == 0
    assert_same(sluice.stored(receiver, path), data)

"""What `ship` and `receive` make of wrong arguments, files, and files: the right words and exit code."""

import os
import signal

import pytest

from support import Proxy, assert_same, noise, segments

IS_ROOT = os.geteuid() == 0


def refused(sluice, code, says, *arguments):
    result = sluice.run(*arguments)
    assert result.code == code, result
    for words in says if isinstance(says, list) else [says]:
        assert words in result.err, result
    assert result.out == b""
    return result


# -- the command line --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1:7070", "tcp://127.0.0.1", "tcp://127.0.0.1:99999",
                                 "tcp://127.0.0.1:port", "tcp://:7070", "tcp//127.0.0.1:7070", "tcp://127.0.0.1:0"])
def test_addresses_that_are_none(sluice, url):
    source = sluice.file("log", b"a\n")
    refused(sluice, 64, "sluice ship: ", "ship", source, "--to", url, "--state", sluice.tmp / "state")


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1:0", "tcp://127.0.0.1:99999"])
def test_addresses_to_listen_on_that_are_none(sluice, url):
    refused(sluice, 64, "sluice receive: ", "receive", "--listen", url, "--store", sluice.tmp / "store")
    assert not segments(sluice.tmp / "store")


@pytest.mark.parametrize("options, says", [
    (["--batch-bytes", "0"], "--batch-bytes"),
    (["--batch-bytes", "5XB"], "5XB"),
    (["--batch-bytes", "1TiB"], "--batch-bytes"),
    (["--batch-bytes", "-1"], "--batch-bytes"),
    (["--batch-events", "0"], "--batch-events"),
    (["--batch-events", "-1"], "--batch-events"),
    (["--flush-interval", "5"], "--flush-interval"),
    (["--compression", "lz4"], "lz4"),
    (["--compression", "zstd:99"], "99"),
    (["--compression", "none:1"], "none:1"),
    (["--deadline", "soon"], "soon"),
    (["--deadline", "-1s"], "-1s"),
    (["--label", "novalue"], "novalue"),
    (["--label", "=v"], "--label"),
    (["--label", "x=1", "--label", "x=2"], "label 'x' is given twice"),
    (["--label", "bad key=v"], "bad key"),
    (["--label", "k=\xff".encode("latin-1")], "UTF-8"),
    (["--label", "k=" + "v" * 1025], "1024"),
    (["--nonsense"], "nonsense"),
    (["--log-level", "loud"], "loud"),
], ids=lambda x: None if isinstance(x, str) else " ".join(str(y)[:20] for y in x))
def test_options_of_ship(sluice, options, says):
    source = sluice.file("log", b"a\n")
    if isinstance(options[-1], bytes):
        options = [*options[:-1], os.fsdecode(options[-1])]
    refused(sluice, 64, ["sluice ship: ", says], "ship", source, "--to", "tcp://127.0.0.1:1", *options)


@pytest.mark.parametrize("options, says", [
    (["--durability", "maybe"], "maybe"),
    (["--segment-bytes", "much"], "much"),
    (["--segment-bytes", "63KiB"], "64KiB at least"),
    (["--max-used-percent", "0"], "--max-used-percent"),
    (["--max-used-percent", "101"], "--max-used-percent"),
    (["--max-connections", "0"], "--max-connections"),
    (["--nonsense"], "nonsense"),
], ids=lambda x: " ".join(x) if isinstance(x, list) else None)
def test_options_of_receive(sluice, options, says):
    refused(sluice, 64, ["sluice receive: ", says], "receive", "--listen", "tcp://127.0.0.1:0", "--store",
            sluice.tmp / "store", *options)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["ship"], ["ship", "--to", "tcp://127.0.0.1:1"],
                                       ["ship", "a-file"], ["receive"], ["receive", "--listen", "tcp://127.0.0.1:0"]],
                         ids=" ".join)
def test_incomplete_commands(sluice, arguments):
    refused(sluice, 64, "--help", *arguments)


def test_help_and_version(sluice):
    for arguments in (["--help"], ["--version"], ["ship", "--help"], ["receive", "--help"], ["query", "--help"]):
        result = sluice.run(*arguments)
        assert (result.code, result.err) == (0, "") and result.out, result


# -- sources -----------------------------------------------------------------------------------------------------------

def test_sources_that_cannot_be_read(sluice):
    receiver = sluice.receiver()
    good = sluice.file("good", b"a\n")
    for bad in (sluice.tmp / "missing", sluice.tmp, sluice.tmp / "*.none", good / "below-a-file"):
        refused(sluice, 74, str(bad), *sluice.ship_arguments(receiver, good, bad))
    assert sluice.count(receiver) == 0


@pytest.mark.skipif(IS_ROOT, reason="root may read every file")
def test_an_unreadable_file(sluice):
    receiver = sluice.receiver()
    secret = sluice.file("secret", b"a\n")
    secret.chmod(0)
    refused(sluice, 74, [str(secret), "ermission"], *sluice.ship_arguments(receiver, secret))


def test_a_state_folder_that_cannot_be_made(sluice):
    receiver = sluice.receiver()
    sluice.file("state", b"a file")
    refused(sluice, 73, "state", *sluice.ship_arguments(receiver, sluice.file("log", b"a\n")))


def test_a_state_that_is_no_state(sluice):
    receiver = sluice.receiver()
    sluice.file("state/agent", b"not a UUID\n")
    refused(sluice, 73, "state/agent", *sluice.ship_arguments(receiver, sluice.file("log", b"a\n")))


def test_a_file_that_vanishes_is_told_and_the_others_are_shipped(sluice):
    receiver = sluice.receiver()
    data = noise(3_000_000, 1)
    first, second = sluice.file("first", data), sluice.file("second", b"b\n")
    with Proxy(receiver.port, hold_after=1) as proxy:
        ship = sluice.start_ship(proxy, first, second)
        proxy.wait_until_held()
        second.unlink()
        proxy.release()
        assert ship.wait() == 74
    assert any(str(second) in line for line in ship.errors.lines())
    assert_same(sluice.stored(receiver, first), data)


# -- receivers that cannot start ---------------------------------------------------------------------------------------

def test_a_port_in_use(sluice):
    receiver = sluice.receiver()
    refused(sluice, 73, [receiver.url, "in use; end what listens there"], "receive", "--listen", receiver.url, "--store",
            sluice.tmp / "other")


@pytest.mark.parametrize("more", [("--listen", "http://127.0.0.1:9"), ("--http", "127.0.0.1:9")])
def test_an_address_that_is_given_twice(sluice, more):
    refused(sluice, 64, ["http://127.0.0.1:9: ", "--listen", "--http"], "receive", "--listen", "http://127.0.0.1:9", *more,
            "--store", sluice.tmp / "store")
    assert not (sluice.tmp / "store").exists()


def test_a_store_in_use(sluice):
    receiver = sluice.receiver()
    refused(sluice, 73, [str(receiver.store), "in use"], "receive", "--listen", "tcp://127.0.0.1:0", "--store",
            receiver.store)
    receiver.signal(signal.SIGKILL)
    receiver.wait()
    sluice.receiver()


def test_a_store_that_cannot_be_made(sluice):
    place = sluice.file("a-file", b"text") / "store"
    refused(sluice, 73, str(place), "receive", "--listen", "tcp://127.0.0.1:0", "--store", place)


def test_a_store_in_a_folder_with_other_things(sluice):
    sluice.file("store/notes.txt", b"mine")
    sluice.file("store/1.seg", b"not a segment")
    receiver = sluice.receiver()
    source = sluice.file("log", b"a\n")
    sluice.ship(receiver, source)
    assert sluice.stored(receiver, source) == b"a\n"
    assert (sluice.tmp / "store/notes.txt").read_bytes() == b"mine"

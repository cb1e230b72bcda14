"""The library: installed, found by another CMake project, and used by the programs of docs/examples."""

import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

import pytest

from support import BINARY, DEADLINE, Output, is_sanitized

BUILD = os.environ.get("SLUICE_BUILD") or os.path.dirname(BINARY)
CXX = os.environ.get("SLUICE_CXX") or shutil.which("clang++-19")
CXX_FLAGS = os.environ.get("SLUICE_CXX_FLAGS", "")
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples"


def command(*arguments):
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=4 * DEADLINE)
    assert done.returncode == 0, f"{done.args}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where it is installed."""
    folder = tmp_path_factory.mktemp("prefix")
    command("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def examples(prefix, tmp_path_factory):
    """Folder of the built examples."""
    folder = tmp_path_factory.mktemp("examples")
    command("cmake", "-G", "Ninja", "-S", EXAMPLES, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_CXX_COMPILER={CXX}", f"-DCMAKE_CXX_FLAGS={CXX_FLAGS} -Wall -Wextra -Werror",
            "-DCMAKE_BUILD_TYPE=Release")
    command("cmake", "--build", folder)
    return folder


def records_of(sluice, store, key, **labels):
    """Bodies in stored order, by an attribute."""
    wanted = [part for label, value in labels.items() for part in ("--label", f"{label}={value}")]
    found = {}
    for line in sluice.query(store, "--output", "json", *wanted).decode().splitlines():
        x = json.loads(line)
        found.setdefault(x["attributes"][key], []).append(x)
    return found


def assert_whole(sluice, store, threads, records):
    """Everything that submit_records submits, once, in the order of each thread."""
    found = records_of(sluice, store, "thread", service="example")
    assert sorted(found, key=int) == [str(thread) for thread in range(threads)]
    for thread, kept in found.items():
        bodies = [x["body"] for x in kept]
        assert bodies == [f"record {i} of thread {thread}" for i in range(records)]


def test_headers_need_only_the_standard_library(prefix):
    headers = sorted((prefix / "include" / "sluice").glob("*.hpp"))
    assert len(headers) >= 6
    for header in headers:
        for name in re.findall(r"#include [<\"](.*)[>\"]", header.read_text()):
            is_ours = name.startswith("sluice/") and (prefix / "include" / name).exists()
            is_spdlog = header.name == "spdlog_sink.hpp" and name.startswith("spdlog/")
            assert is_ours or is_spdlog or "/" not in name and "." not in name, f"{header.name} includes {name}"
        command(CXX, "-std=c++20", "-fsyntax-only", "-x", "c++", f"-I{prefix}/include", header)


@pytest.mark.skipif(is_sanitized(), reason="sanitizers export symbols of their own")
def test_library_exports_only_its_own(prefix):
    library, = prefix.glob("lib*/libsluice.so") or prefix.glob("lib/*/libsluice.so")
    names = [line.split(maxsplit=2)[2] for line in command("nm", "-D", "-C", "--defined-only", library).splitlines()]
    assert any(name.startswith("sluice::shipper::submit") for name in names)
    foreign = [name for name in names if not re.match(r"sluice::(local_node|shipper)::|sluice::to_string\(", name)]
    assert not foreign


def test_installed_program_runs(sluice, prefix):
    assert sluice.run("--version", program=prefix / "bin" / "sluice").code == 0


def test_many_threads_and_a_receiver_that_is_killed(sluice, examples):
    threads, records = 8, 10_000 if is_sanitized() else 100_000
    receiver = sluice.receiver()
    program = sluice.start([receiver.url, sluice.tmp / "state", threads, records], program=examples / "submit_records")
    until = time.monotonic() + DEADLINE
    while sluice.count(receiver) == 0:
        assert time.monotonic() < until and program.is_running
    receiver.kill()
    receiver = sluice.receiver(port=receiver.port)
    assert program.wait() == 0, program
    assert_whole(sluice, receiver, threads, records)


def test_without_a_spool(sluice, examples):
    receiver = sluice.receiver()
    result = sluice.run(receiver.url, program=examples / "submit_records")
    assert result.code == 0, result
    assert b"4000 acknowledged" in result.out
    assert_whole(sluice, receiver, 4, 1000)


def test_what_is_in_the_spool_outlives_the_program(sluice, examples):
    receiver = sluice.receiver()
    receiver.kill()
    program = sluice.start([receiver.url, sluice.tmp / "state", 4, 2000], program=examples / "submit_records",
                           stdout=subprocess.PIPE)
    Output(program.stdout).wait_for("all 8000 records are durable")
    program.kill()
    receiver = sluice.receiver(port=receiver.port)
    assert sluice.run(receiver.url, sluice.tmp / "state", 0, 0, program=examples / "submit_records").code == 0
    assert_whole(sluice, receiver, 4, 2000)


def test_a_program_that_is_killed_leaves_the_beginning_of_each_thread(sluice, examples):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    pick = random.Random(seed)
    receiver = sluice.receiver()
    for round in range(3):
        before = sluice.count(receiver)
        program = sluice.start([receiver.url, sluice.tmp / "state", 2, 10_000_000], program=examples / "submit_records")
        until = time.monotonic() + DEADLINE
        while sluice.count(receiver) < before + pick.choice([1, 1_000, 20_000]):
            assert time.monotonic() < until and program.is_running, program
        program.kill()
    assert sluice.run(receiver.url, sluice.tmp / "state", 0, 0, program=examples / "submit_records").code == 0
    streams = {}
    for line in sluice.query(receiver, "--output", "json").decode().splitlines():
        x = json.loads(line)
        streams.setdefault((x["stream"], x["attributes"]["thread"]), []).append(x["body"])
    assert len({stream for stream, _ in streams}) == 3
    for (_, thread), bodies in streams.items():
        assert bodies == [f"record {i} of thread {thread}" for i in range(len(bodies))]


def test_spdlog(sluice, examples):
    receiver = sluice.receiver()
    result = sluice.run(receiver.url, 3000, program=examples / "log_with_spdlog")
    assert result.code == 0, result
    kept = records_of(sluice, receiver, "logger", service="example")["shop"]
    assert [x["body"] for x in kept] == [f"order {i} taken" for i in range(3000)] + [
        "this one says where it comes from"]
    assert {x["severity"] for x in kept[:-1]} == {"informational"}
    assert kept[-1]["severity"] == "warning"
    assert kept[-1]["attributes"]["file"].endswith("log_with_spdlog.cpp")
    assert int(kept[-1]["attributes"]["line"]) > 0 and int(kept[-1]["attributes"]["thread"]) > 0


def test_embedded_node(sluice, examples):
    receiver = sluice.receiver(verified=False)
    port = receiver.port
    assert receiver.stop() == 0
    store = sluice.tmp / "embedded"
    config = sluice.file("node.yaml", f"""
receive:
  listen:
    - tcp://127.0.0.1:{port}
store:
  path: {store}
""".encode())
    result = sluice.run(config, f"tcp://127.0.0.1:{port}", program=examples / "embedded_node")
    assert result.code == 0, result
    assert sluice.query(store).decode().splitlines() == [f"line {i}" for i in range(1000)]
    assert b"component_received_events_total storage-writer 1000" in result.out or b"1000" in result.out
    bad = sluice.file("bad.yaml", b"receive:\n  lisen: []\n")
    result = sluice.run(bad, f"tcp://127.0.0.1:{port}", program=examples / "embedded_node")
    assert result.code == 1 and "bad.yaml:2:3" in result.err, result

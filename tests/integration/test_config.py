"""`sluice validate`, and nodes that `sluice run` starts from a file."""

import pathlib
import re
import signal
import socket

import pytest

from support import assert_same, log_lines

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "config"


def start_node(sluice, name, text):
    return sluice.start(["run", "-c", sluice.file(name, text.encode())])


def port_of(node, scheme):
    return int(node.errors.wait_for(re.escape(f"listening on {scheme}://127.0.0.1:") + r"(\d+)").group(1))


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda x: x.stem)
def test_examples_are_valid(sluice, example):
    result = sluice.run("validate", example)
    assert (result.code, result.out) == (0, f"{example}: OK\n".encode()), result


def test_all_errors_of_all_files_are_told(sluice):
    good = sluice.file("good.yaml", b"store: {path: s}\nreceive: {listen: tcp://127.0.0.1:0}\n")
    bad = sluice.file("bad.yaml", b"store: {path: s, durability: paper}\nrecieve: {listen: tcp://127.0.0.1:0}\n")
    result = sluice.run("validate", good, bad, sluice.tmp / "absent.yaml")
    assert result.code == 78 and result.out == f"{good}: OK\n".encode(), result
    assert f"{bad}:1:30: store.durability: " in result.err, result
    assert f"{bad}:2:1: recieve: " in result.err and "did you mean 'receive'?" in result.err, result
    assert f"{sluice.tmp}/absent.yaml:" in result.err, result


def test_run_refuses_a_bad_file(sluice):
    bad = sluice.file("bad.yaml", b"stor: {path: s}\n")
    result = sluice.run("run", "-c", bad)
    assert result.code == 78 and f"{bad}:1:1: stor: " in result.err, result
    assert not (sluice.tmp / "s").exists()


def test_an_agent_and_a_receiver(sluice):
    store = sluice.tmp / "store"
    receiver = start_node(sluice, "receiver.yaml", f"""
store: {{path: {store}}}
receive:
  listen: [tcp://127.0.0.1:0, syslog+tcp://127.0.0.1:0]
""")
    data = log_lines(50_000, seed=1)
    source = sluice.file("logs/app.log", data)
    agent_file = f"""
node: {{data_dir: {sluice.tmp}/data}}
sources:
  app: {{include: '{sluice.tmp}/logs/*.log', labels: {{service: app}}}}
ship: {{to: 'tcp://127.0.0.1:{port_of(receiver, "tcp")}'}}
"""
    agent = start_node(sluice, "agent.yaml", agent_file)
    agent.errors.wait_for("source app: following")
    with socket.create_connection(("127.0.0.1", port_of(receiver, "syslog+tcp"))) as to:
        to.sendall(b"<13>1 - host app - - - hello\n")
        to.shutdown(socket.SHUT_WR)
        assert to.recv(1) == b""
    agent.errors.wait_for("streaming")
    assert agent.stop() == 0, agent
    with source.open("ab") as log:
        log.write(b"more\n")
    again = start_node(sluice, "agent.yaml", agent_file)
    again.errors.wait_for("streaming")
    assert again.stop() == 0, again
    assert receiver.stop() == 0, receiver
    stored = sluice.query(store, "--label", "service=app")
    assert (data + b"more\n").startswith(stored)  # it was stopped, maybe before the end
    assert sluice.query(store, "--label", "lane=syslog+tcp") == b"hello\n"
    assert sluice.run("store", "verify", store).code == 0


def test_one_node_alone(sluice):
    source, store = sluice.file("logs/a.log", b"one\ntwo\n"), sluice.tmp / "store"
    node = start_node(sluice, "node.yaml", f"""
node: {{data_dir: {sluice.tmp}/data}}
sources: {{logs: {{include: {source}}}}}
store: {{path: {store}}}
""")
    node.errors.wait_for("streaming")
    node.signal(signal.SIGHUP)
    node.errors.wait_for("SIGHUP: .*node.yaml is taken: sources and listeners stay as they are")
    sluice.await_count(store, 2)
    assert node.stop() == 0, node
    assert_same(sluice.stored(store, source), b"one\ntwo\n")

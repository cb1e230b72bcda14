"""What transforms do to records on their way: files, syslog, lines and HTTP, of a node that `sluice run` starts."""

import json
import re
import socket
import time
import urllib.request

from support import DEADLINE, assert_same, log_lines, noise
from test_config import port_of, start_node


def records(sluice, store, *arguments):
    """What `query --output json` gives: records, and gaps."""
    found = [json.loads(line) for line in sluice.query(store, "--output", "json", *arguments).splitlines()]
    return [x for x in found if "gap" not in x], [x["gap"] for x in found if "gap" in x]


def send(port, data):
    with socket.create_connection(("127.0.0.1", port)) as to:
        to.sendall(data)
        to.shutdown(socket.SHUT_WR)
        assert to.recv(1) == b""


def file_node(sluice, transforms, batch="", url=None):
    """A node that follows logs/*.log into a store of its own, or ships them to `url`."""
    to = f"ship: {{to: '{url}', {batch}}}" if url else f"store: {{path: {sluice.tmp}/store}}"
    return start_node(sluice, "node.yaml", f"""
node: {{data_dir: {sluice.tmp}/data}}
sources:
  app:
    include: '{sluice.tmp}/logs/*.log'
    poll_interval: 20ms
    transforms:
{transforms}
{to}
""")


def wait_for_stored(sluice, store, line):
    """Waits until a line is durable; a store can be asked while it is written."""
    until = time.monotonic() + DEADLINE
    while line not in sluice.run("query", "--store", store, "--contains", line.decode()).out:
        assert time.monotonic() < until, f"{line} is not stored"


def test_json_of_a_file(sluice):
    lines = [json.dumps({"time": f"2026-01-02T03:04:{i % 60:02}Z", "level": ["info", "error", "debug"][i % 3],
                         "user": {"id": i, "card": "4111111111111111"}}).encode() for i in range(3_000)]
    lines += [b"no json 4111111111111111", b'{"level":"info","n":"last"}']
    sluice.file("logs/a.log", b"\n".join(lines) + b"\n")
    node = file_node(sluice, r"""
      - parse_json: {}
      - set_severity: {from: level}
      - set_timestamp: {from: time}
      - drop: {match: '^debug$', field: level}
      - redact: {match: '\b\d{12}(\d{4})\b', with: '****\1'}
      - add_labels: {env: prod}
""")
    wait_for_stored(sluice, sluice.tmp / "store", b"last")
    assert node.stop() == 0, node
    found, gaps = records(sluice, sluice.tmp / "store", "--label", "env=prod")
    wanted = [x.replace(b"411111111111", b"****") for x in lines if b"debug" not in x]
    assert [x["body"].encode() for x in found] == wanted and not gaps
    assert found[1]["severity"] == "error" and found[1]["timestamp"].startswith("2026-01-02T03:04:01")
    assert found[1]["attributes"] == {"time": "2026-01-02T03:04:01Z", "level": "error", "user.id": "1",
                                      "user.card": "****1111"}
    assert found[-2]["attributes"] == {} and found[-2]["severity"] is None


def test_transforms_that_change_nothing_keep_every_byte(sluice):
    data = log_lines(20_000, seed=3) + noise(100_000, seed=4) + b"\n\r\n\0\n" + b"last\n"
    path = sluice.file("logs/a.log", data)
    node = file_node(sluice, """
      - drop: {match: never there}
      - redact: {match: never there}
      - sample: {keep_one_in: 1}
      - parse_json: {field: none}
""")
    wait_for_stored(sluice, sluice.tmp / "store", b"last")
    assert node.stop() == 0, node
    assert_same(sluice.stored(sluice.tmp / "store", path), data)


def test_a_gap_stands_where_nothing_is_left(sluice):
    sluice.file("logs/a.log", b"DEBUG 1\nDEBUG 2\nDEBUG 3\n")
    node = file_node(sluice, "      - drop: {match: ^DEBUG}")
    node.errors.wait_for("streaming")
    with (sluice.tmp / "logs/a.log").open("ab") as log:
        log.write(b"INFO 1\n")
    wait_for_stored(sluice, sluice.tmp / "store", b"INFO 1")
    assert node.stop() == 0, node
    found, gaps = records(sluice, sluice.tmp / "store")
    assert [x["body"] for x in found] == ["INFO 1"]
    assert all(x["reason"] == "filtered" for x in gaps)
    told = sluice.run("query", "--store", sluice.tmp / "store")
    assert told.out == b"INFO 1\n" and "gap" not in told.err, told


def test_a_killed_node_stores_what_is_left_once(sluice):
    receiver = sluice.receiver()
    lines = [f"level={'debug' if i % 4 == 0 else 'info'} n={i} text=\"{'x' * (i % 90)}\"" for i in range(60_000)]
    transforms = """
      - parse_key_value: {}
      - set_severity: {from: level}
      - drop: {match: debug, field: level}
"""
    path = sluice.file("logs/a.log", b"")
    starts, piece = 6, len(lines) // 6
    for start in range(starts):
        node = file_node(sluice, transforms, "batch: {max_bytes: 4KiB, max_events: 50}", receiver.url)
        with path.open("ab") as log:
            log.write("".join(x + "\n" for x in lines[start * piece:(start + 1) * piece]).encode())
        node.errors.wait_for("streaming")
        if start + 1 < starts:
            node.kill()
    with path.open("ab") as log:
        log.write(b"last\n")
    wait_for_stored(sluice, receiver.store, b"last")
    assert node.stop() == 0, node
    found, gaps = records(sluice, receiver)
    numbers = [int(x["attributes"]["n"]) for x in found if x["body"] != "last"]
    assert numbers == [n for n in range(len(lines)) if n % 4 != 0]
    assert all(x["severity"] == "informational" and lines[n] == x["body"] for n, x in zip(numbers, found))
    assert {x["reason"] for x in gaps} <= {"filtered"}


def test_syslog_lines_and_http(sluice):
    store = sluice.tmp / "store"
    node = start_node(sluice, "node.yaml", f"""
store: {{path: {store}}}
receive:
  listen: [syslog+tcp://127.0.0.1:0, lines+tcp://127.0.0.1:0, http://127.0.0.1:0]
  transforms:
    - drop: {{match: '^drop'}}
    - parse_key_value: {{}}
    - set_severity: {{from: level}}
    - redact: {{match: 'token=\\S+', with: 'token=****'}}
    - redact: {{match: '.+', field: token}}
    - add_labels: {{site: north}}
""")
    messages = [f"level=warn n={i} token=s3cret" if i % 2 else f"drop {i}" for i in range(2_000)]
    send(port_of(node, "syslog+tcp"), "".join(f"<14>1 - host app - - - {x}\n" for x in messages).encode())
    send(port_of(node, "lines+tcp"), "".join(x + "\n" for x in messages).encode())
    for body in ("".join(x + "\n" for x in messages), "drop all\ndrop of it\n"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port_of(node, 'http')}/ingest", body.encode()) as answer:
            assert answer.status == 200
    assert node.stop() == 0, node
    for lane in ("syslog+tcp", "lines+tcp", "http"):
        found, gaps = records(sluice, store, "--label", "site=north", "--label", f"lane={lane}")
        assert [x["body"] for x in found] == [f"level=warn n={i} token=****" for i in range(1, 2_000, 2)], lane
        assert all(x["severity"] == "warning" and x["attributes"]["token"] == "****" for x in found)
        assert found[0]["attributes"].get("appname") == ("app" if lane == "syslog+tcp" else None)
        if lane == "http":
            assert [(x["reason"], x["records"]) for x in gaps][-1] == ("filtered", 2)
    told = sluice.run("query", "--store", store, "--output", "count")
    assert (told.out, told.err) == (b"3000\n", ""), "what was meant to go is no news"


def test_mistakes_are_told(sluice):
    bad = sluice.file("bad.yaml", b"""store: {path: s}
receive:
  listen: lines+tcp://127.0.0.1:0
  transforms:
    - parse_jsn: {}
    - drop: {match: '['}
""")
    result = sluice.run("validate", bad)
    assert result.code == 78, result
    assert re.search(r"bad\.yaml:5:7: receive\.transforms\.1\.parse_jsn: .*'parse_json'", result.err), result
    assert re.search(r"bad\.yaml:6:21: receive\.transforms\.2\.drop\.match: ", result.err), result

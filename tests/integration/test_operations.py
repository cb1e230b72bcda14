"""What a node tells of itself over HTTP."""

import re
import socket
import urllib.error
import urllib.request

from support import DEADLINE


def pages_of(process):
    return process.errors.wait_for(r"health and metrics at (http://127\.0\.0\.1:\d+)").group(1)


def get(url):
    """Status and body."""
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def value_of(page, sample):
    found = re.search(rf"^{re.escape(sample)} (\S+)", page, re.MULTILINE)
    return float(found[1]) if found else None


def test_a_receiver_tells_what_it_has_taken_in(sluice):
    made = sluice.receiver("store", "--listen", "syslog+tcp://127.0.0.1:0", "--http", "127.0.0.1:0")
    pages = pages_of(made)
    port = int(made.errors.wait_for(r"listening on syslog\+tcp://127\.0\.0\.1:(\d+)").group(1))
    assert get(f"{pages}/health") == (200, "ok\n")
    assert get(f"{pages}/ready") == (200, "ready\n")
    assert get(f"{pages}/")[0] == 404
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(b"<13>1 - h a - - - parsed\nnot syslog at all\n")
    sluice.await_count(made, 2)
    status, page = get(f"{pages}/metrics")
    assert status == 200
    assert value_of(page, 'component_received_events_total{component_id="intake"}') == 2
    assert value_of(page, 'component_errors_total{component_id="intake",reason="unparsed"}') == 1
    assert value_of(page, "sluice_storage_accepting") == 1
    assert re.search(r'^caf_actor_processing_time_seconds_count\{name="storage-writer"\} [1-9]', page, re.MULTILINE)
    assert made.stop() == 0


def test_a_node_has_its_pages_where_its_file_says(sluice):
    file = sluice.file("node.yaml", f"""
http: {{listen: '127.0.0.1:0'}}
store: {{path: {sluice.tmp}/store}}
receive: {{listen: 'tcp://127.0.0.1:0'}}
""".encode())
    node = sluice.start(["run", "-c", file])
    assert get(f"{pages_of(node)}/health") == (200, "ok\n")
    assert node.stop() == 0


def test_an_address_that_is_taken_ends_the_start(sluice):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = sluice.run("receive", "--listen", "tcp://127.0.0.1:0", "--store", sluice.tmp / "store",
                            "--http", f"127.0.0.1:{port}")
    assert result.code == 73 and f"127.0.0.1:{port}" in result.err, result


def test_an_address_that_is_none_is_a_usage_error(sluice):
    result = sluice.run("receive", "--listen", "tcp://127.0.0.1:0", "--store", sluice.tmp / "store", "--http", "here")
    assert result.code == 64 and "127.0.0.1:9600" in result.err, result

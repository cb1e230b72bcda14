"""What is sent over HTTP: text, JSON and the protocols of others, answered once it is durable."""

import gzip
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from certificates import Authority
from support import DEADLINE, Receiver, assert_same, log_lines


class HttpReceiver(Receiver):
    """A receiver that also takes HTTP."""

    scheme = "http"

    def __init__(self, store, *arguments, **how):
        super().__init__(store, "--listen", f"{self.scheme}://127.0.0.1:0", *arguments, **how)
        self.http = None

    def await_start(self):
        super().await_start()
        self.http = int(self.errors.wait_for(rf"listening on {self.scheme}://127\.0\.0\.1:(\d+)").group(1))


class HttpsReceiver(HttpReceiver):
    scheme = "https"


@pytest.fixture
def receiver(sluice):
    return start(sluice)


def start(sluice, *arguments):
    return sluice.receiver("store", *arguments, kind=HttpReceiver)


def post(receiver, path, body, **fields):
    return ask(receiver, "POST", path, body, **fields)


def ask(receiver, method, path, body=None, **fields):
    """Status, fields and body of the answer, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.http, timeout=DEADLINE)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): text for name, text in fields.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def connect(receiver):
    return socket.create_connection(("127.0.0.1", receiver.http), timeout=DEADLINE)


def read_all(connection):
    said = b""
    while data := connection.recv(65536):
        said += data
    return said


def bodies(sluice, receiver):
    return sluice.query(receiver.store)


def records(sluice, receiver):
    return [json.loads(line) for line in sluice.query(receiver.store, "--output", "json").splitlines()]


def test_lines_of_text_are_stored_as_they_came(sluice, receiver):
    status, _, answer = post(receiver, "/ingest", b"one\ntwo\r\n\nfour", Content_Type="text/plain")
    assert (status, json.loads(answer)) == (200, {"records": 4, "unparsed": 0})
    assert bodies(sluice, receiver) == b"one\ntwo\r\n\nfour\n"


def test_ndjson_is_stored_as_it_came(sluice, receiver):
    text = b'{"level":"error","message":"one"}\n{"n":2}\nno json\n'
    status, _, answer = post(receiver, "/ingest", text, Content_Type="application/x-ndjson")
    assert (status, json.loads(answer)) == (200, {"records": 3, "unparsed": 1})
    assert bodies(sluice, receiver) == text


def test_records_of_all_encodings_and_clients_are_stored_once(sluice, receiver):
    """100,000 records, by several connections at a time that are kept."""
    lines = log_lines(100_000, seed=1).splitlines(keepends=True)
    parts = [b"".join(lines[i:i + 2500]) for i in range(0, len(lines), 2500)]
    zstd = lambda data: subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    codings = [("identity", lambda data: data), ("gzip", gzip.compress), ("zstd", zstd)]
    failures = []

    def send(parts):
        connection = http.client.HTTPConnection("127.0.0.1", receiver.http, timeout=DEADLINE)
        for i, part in enumerate(parts):
            name, encode = codings[i % len(codings)]
            connection.request("POST", "/ingest", encode(part), {"Content-Encoding": name})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 or json.loads(text)["records"] != 2500:
                failures.append((answer.status, text))
        connection.close()

    threads = [threading.Thread(target=send, args=(parts[i::4],)) for i in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures
    assert_same(b"".join(sorted(bodies(sluice, receiver).splitlines(keepends=True))), b"".join(sorted(lines)))


def in_loki(lines):
    values = [[str(1_700_000_000_000_000_000 + i), line] for i, line in enumerate(lines)]
    return json.dumps({"streams": [{"stream": {"app": "shop"}, "values": values}]})


def in_bulk(lines):
    return "".join(f'{{"create":{{"_index":"logs"}}}}\n{{"message":"{line}"}}\n' for line in lines)


def in_otlp(lines):
    made = [{"timeUnixNano": str(1_700_000_000_000_000_000 + i), "body": {"stringValue": line}}
            for i, line in enumerate(lines)]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": made}]}]})


@pytest.mark.parametrize("path, encode, is_whole", [
    ("/loki/api/v1/push", in_loki, lambda status, text: status == 204),
    ("/_bulk", in_bulk, lambda status, text: status == 200 and not json.loads(text)["errors"]),
    ("/v1/logs", in_otlp, lambda status, text: status == 200 and text == b"{}"),
    ("/ingest", json.dumps, lambda status, text: status == 200 and json.loads(text)["records"] == 10_000),
])
def test_every_protocol_brings_100000_records(sluice, receiver, path, encode, is_whole):
    lines = log_lines(100_000, seed=3).decode().splitlines()
    connection = http.client.HTTPConnection("127.0.0.1", receiver.http, timeout=DEADLINE)
    for i in range(0, len(lines), 10_000):
        connection.request("POST", path, encode(lines[i:i + 10_000]), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert is_whole(answer.status, answer.read())
    connection.close()
    found = bodies(sluice, receiver).decode()
    if path == "/_bulk":
        found = re.sub(r'^{"message":"(.*)"}$', r"\1", found, flags=re.M)
    if path == "/ingest":
        found = re.sub(r'^"(.*)"$', r"\1", found, flags=re.M)
    assert_same(found, "\n".join(lines) + "\n")


def test_what_was_answered_survives_kill(sluice):
    """The receiver is killed again and again while requests come in; what was confirmed is there, and no more than once."""
    receiver = start(sluice)
    confirmed, sent = [], 0
    for _ in range(4):
        kill = threading.Timer(0.3, lambda: os.kill(receiver.pid, signal.SIGKILL))
        connection = http.client.HTTPConnection("127.0.0.1", receiver.http, timeout=DEADLINE)
        kill.start()
        try:
            while True:
                text = b"".join(b"request %d line %d\n" % (sent, i) for i in range(50))
                sent += 1
                connection.request("POST", "/ingest", text)
                if connection.getresponse().read():
                    confirmed.append(text)
        except (OSError, http.client.HTTPException):
            pass
        kill.join()
        receiver.wait()
        receiver = start(sluice)
    assert confirmed
    found = bodies(sluice, receiver)
    lines = found.splitlines(keepends=True)
    assert len(lines) == len(set(lines))
    missing = [text for text in confirmed if text not in found]
    assert not missing


def test_pipelined_requests_are_answered_in_order(sluice, receiver):
    with connect(receiver) as client:
        for i in range(20):
            body = b"number %d\n" % i * (i + 1)
            client.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = read_all(client)
    assert [int(n) for n in re.findall(rb'"records":(\d+)', said)] == list(range(1, 21))
    assert said.endswith(b"ready\n")
    assert bodies(sluice, receiver) == b"".join(b"number %d\n" % i * (i + 1) for i in range(20))


def test_curl_sends_a_file(sluice, receiver):
    file = sluice.file("lines", log_lines(20_000, seed=2))
    for arguments in (["--data-binary", f"@{file}"], ["-T", "-", "-X", "POST"]):  # the latter in chunks
        with open(file, "rb") as content:
            done = subprocess.run(["curl", "-sS", "--fail-with-body", *arguments,
                                   f"http://127.0.0.1:{receiver.http}/ingest"],
                                  stdin=content, stdout=subprocess.PIPE, timeout=DEADLINE)
        assert (done.returncode, json.loads(done.stdout)["records"]) == (0, 20_000)
    assert_same(bodies(sluice, receiver), file.read_bytes() * 2)


def test_loki_json(sluice, receiver):
    push = {"streams": [{"stream": {"app": "shop", "level": "warn"},
                         "values": [["1700000000000000000", "one"], ["1700000000000000001", "two", {"user": "u1"}]]}]}
    status, _, answer = post(receiver, "/loki/api/v1/push", json.dumps(push), Content_Type="application/json")
    assert (status, answer) == (204, b"")
    found = records(sluice, receiver)
    assert [x["body"] for x in found] == ["one", "two"]
    assert found[1]["attributes"] == {"app": "shop", "level": "warn", "user": "u1"}
    assert {x["severity"] for x in found} == {"warning"}


def test_elasticsearch_bulk(sluice, receiver):
    status, fields, answer = ask(receiver, "GET", "/")
    assert status == 200 and fields["X-Elastic-Product"] == "Elasticsearch"
    assert json.loads(answer)["version"]["number"] == "8.0.0"
    lines = ['{"index":{"_index":"logs"}}', '{"message":"one"}', '{"create":{}}', '{"message":', '{"create":{}}',
             '{"message":"two"}']
    status, fields, answer = post(receiver, "/web/_bulk", "\n".join(lines) + "\n", Content_Type="application/x-ndjson")
    made = json.loads(answer)
    assert status == 200 and made["errors"] is True and fields["X-Elastic-Product"] == "Elasticsearch"
    assert [list(x.values())[0]["status"] for x in made["items"]] == [201, 400, 201]
    assert [(x["body"], x["attributes"]["index"]) for x in records(sluice, receiver)] == [
        ('{"message":"one"}', "logs"), ('{"message":"two"}', "web")]


def test_otlp_json_with_partial_success(sluice, receiver):
    many = [{"key": f"k{i}", "value": {"intValue": str(i)}} for i in range(70)]
    logs = [{"timeUnixNano": "1700000000000000000", "severityNumber": 17, "body": {"stringValue": "one"}},
            {"body": {"stringValue": "too many"}, "attributes": many}]
    export = {"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
                                "scopeLogs": [{"logRecords": logs}]}]}
    status, fields, answer = post(receiver, "/v1/logs", json.dumps(export), Content_Type="application/json")
    assert status == 200 and fields["Content-Type"] == "application/json"
    assert json.loads(answer)["partialSuccess"]["rejectedLogRecords"] == "1"
    found = records(sluice, receiver)
    assert [x["body"] for x in found] == ["one"] and found[0]["attributes"]["resource.service.name"] == "s"


def test_bad_requests_are_refused_and_leave_nothing(sluice, receiver):
    for status, method, path, body, fields in [
        (400, "POST", "/ingest", b'{"a":', {"Content-Type": "application/json"}),
        (400, "POST", "/ingest", b"no gzip", {"Content-Encoding": "gzip"}),
        (400, "POST", "/_bulk", b"no action\n", {}),
        (400, "POST", "/v1/logs", b"\xff\xff", {"Content-Type": "application/x-protobuf"}),
        (400, "POST", "/loki/api/v1/push", b"\xff", {"Content-Type": "application/x-protobuf"}),
        (404, "POST", "/nothing", b"x\n", {}),
        (405, "GET", "/ingest", None, {}),
        (405, "DELETE", "/", None, {}),
        (413, "POST", "/ingest", gzip.compress(bytes(17 << 20)), {"Content-Encoding": "gzip"}),
        (413, "POST", "/ingest", bytes(17 << 20), {}),
        (415, "POST", "/ingest", b"x\n", {"Content-Type": "image/png"}),
        (415, "POST", "/ingest", b"x\n", {"Content-Encoding": "br"}),
        (417, "POST", "/ingest", b"x\n", {"Expect": "wonders"}),
        (431, "POST", "/ingest", b"x\n", {"X-Much": "x" * 17_000}),
    ]:
        found, answered, text = ask(receiver, method, path, body, **fields)
        assert (found, path) == (status, path), text
        assert text
        if status == 405:
            assert "POST" in answered["Allow"]
    with connect(receiver) as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 400 ")
    assert bodies(sluice, receiver) == b""


def test_token_is_asked_for(sluice):
    receiver = start(sluice, "--http-token-file", sluice.file("token", b"very secret\n"))
    for fields in ({}, {"Authorization": "Bearer very secre"}, {"Authorization": "Bearer"},
                   {"Authorization": "Basic dTp4"}):
        status, answered, _ = post(receiver, "/ingest", b"no\n", **fields)
        assert status == 401 and answered["WWW-Authenticate"] == "Bearer"
    assert post(receiver, "/ingest", b"bearer\n", Authorization="Bearer very secret")[0] == 200
    assert post(receiver, "/ingest", b"basic\n", Authorization="Basic dTp2ZXJ5IHNlY3JldA==")[0] == 200
    assert bodies(sluice, receiver) == b"bearer\nbasic\n"


def test_empty_token_file_is_refused(sluice):
    result = sluice.run("receive", "--listen", "http://127.0.0.1:0", "--store", sluice.tmp / "s",
                        "--http-token-file", sluice.file("token", b" \n"))
    assert result.code == 78 and "there is no token in this file" in result.err


def test_stopped_receiver_answers_what_it_has(sluice, receiver):
    """SIGTERM ends connections that wait, and loses no request that is whole."""
    idle, half = connect(receiver), connect(receiver)
    half.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    assert post(receiver, "/ingest", b"whole\n")[0] == 200
    assert receiver.stop() == 0
    for client in (idle, half):
        with client:
            try:
                assert client.recv(1) == b""
            except ConnectionResetError:
                pass
    assert bodies(sluice, receiver) == b"whole\n"


# -- TLS ----------------------------------------------------------------------

def start_https(sluice, authority, *arguments):
    cert, key = authority.issue("server")
    return sluice.receiver("store", "--cert", cert, "--key", key, *arguments, kind=HttpsReceiver)


def test_curl_sends_over_tls(sluice):
    authority = Authority(sluice.tmp)
    receiver = start_https(sluice, authority)
    file = sluice.file("lines", log_lines(100_000, seed=5))
    done = subprocess.run(["curl", "-sS", "--fail-with-body", "--cacert", authority.ca, "--data-binary", f"@{file}",
                           f"https://localhost:{receiver.http}/ingest"], stdout=subprocess.PIPE, timeout=DEADLINE)
    assert (done.returncode, json.loads(done.stdout)["records"]) == (0, 100_000)
    assert_same(bodies(sluice, receiver), file.read_bytes())


def test_connections_over_tls_are_kept_and_pipelined(sluice):
    authority = Authority(sluice.tmp)
    receiver = start_https(sluice, authority)
    context = ssl.create_default_context(cafile=authority.ca)
    with context.wrap_socket(connect(receiver), server_hostname="localhost") as client:
        requests = [b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%d\n" % i for i in range(10)]
        client.sendall(b"".join(requests[:5]))
        for each in requests[5:]:
            client.sendall(each)
        client.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = read_all(client)
    assert said.count(b"HTTP/1.1 200 ") == 11 and said.endswith(b"ready\n")
    assert bodies(sluice, receiver) == b"".join(b"%d\n" % i for i in range(10))


def test_who_shows_no_certificate_is_refused_where_one_is_demanded(sluice):
    authority = Authority(sluice.tmp)
    receiver = start_https(sluice, authority, "--client-ca", authority.ca)
    context = ssl.create_default_context(cafile=authority.ca)
    with pytest.raises(OSError), context.wrap_socket(connect(receiver), server_hostname="localhost") as client:
        client.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nno\n")
        assert not client.recv(1)
        raise OSError("closed")
    receiver.errors.wait_for("refused: .*the peer shows no certificate")
    context.load_cert_chain(*authority.issue("client"))
    with context.wrap_socket(connect(receiver), server_hostname="localhost") as client:
        client.sendall(b"POST /ingest HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nyes\n")
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    assert bodies(sluice, receiver) == b"yes\n"


def test_who_does_not_speak_tls_is_refused(sluice):
    receiver = start_https(sluice, Authority(sluice.tmp))
    with connect(receiver) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in read_all(client)
    receiver.errors.wait_for("refused: ")

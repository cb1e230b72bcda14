"""What programs that are not ours push over HTTP: 100,000 records each, or 20,000 to a binary with sanitizers.

rsyslog's omhttp is not packaged in Debian 12; its omelasticsearch is.
"""

import concurrent.futures
import gzip
import json
import logging
import logging.handlers
import shutil
import urllib.parse

import pytest

from sender import (SYSLOG_NG, Intake, configuration, message_file, messages, needs, needs_rsyslog, rsyslog, run,
                    syslog_ng)

PARTS = 10


def message_of(record):
    return json.loads(record["body"])["message"]


def as_ndjson(bodies):
    return "".join(json.dumps({"message": x}) + "\n" for x in bodies)


def as_loki(bodies):
    values = [[str(1_700_000_000_000_000_000 + i), x] for i, x in enumerate(bodies)]
    return json.dumps({"streams": [{"stream": {"job": "tester"}, "values": values}]})


@needs("curl", shutil.which("curl"))
@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("path, kind, encode, status, body, about", [
    ("/ingest", "text/plain", lambda x: "\n".join(x) + "\n", 200, lambda x: x["body"], {}),
    ("/ingest", "application/x-ndjson", as_ndjson, 200, message_of, {}),
    ("/loki/api/v1/push", "application/json", as_loki, 204, lambda x: x["body"], {"job": "tester"}),
], ids=["text", "ndjson", "loki"])
def test_curl(sluice, path, kind, encode, status, body, about, encoding):
    intake = Intake(sluice, "http")
    bodies = messages("curl")
    for i in range(PARTS):
        content = sluice.file(f"part{i}", encode(bodies[i::PARTS]).encode())
        if encoding == "gzip":
            content.write_bytes(gzip.compress(content.read_bytes(), 1))
        elif encoding == "zstd":
            run("zstd", "--quiet", "--force", content, "-o", f"{content}.zst")
            content.with_suffix(".zst").rename(content)
    said = run("curl", "--config", configuration(sluice, "curl.conf", url=f"http://127.0.0.1:{intake.port}{path}",
                                                 folder=sluice.tmp, type=kind, encoding=encoding))
    assert said.splitlines() == [f"{status} 1"] + [f"{status} 0"] * (PARTS - 1)
    intake.expect(bodies, body, **about)


@needs_rsyslog
def test_rsyslog_to_elasticsearch(sluice):
    intake = Intake(sluice, "http", "--http-token-file", sluice.file("token", b"secret"))
    bodies = messages("rsyslog")
    with rsyslog(sluice, "rsyslog-elasticsearch.conf", file=message_file(sluice, bodies), port=intake.port,
                 token="secret"):
        intake.await_stored()
    intake.expect(bodies, message_of, index="logs")


@needs("syslog-ng-mod-http", list(SYSLOG_NG.glob("lib/syslog-ng/*/libhttp.so")))
@pytest.mark.parametrize("path, before, about", [
    ("/ingest", "", {}), ("/_bulk", r'{\"create\":{\"_index\":\"logs\"}}\n', {"index": "logs"}),
], ids=["ndjson", "bulk"])
def test_syslog_ng(sluice, path, before, about):
    intake = Intake(sluice, "http")
    bodies = messages("syslog-ng")
    with syslog_ng(sluice, "syslog-ng-http.conf", file=message_file(sluice, bodies), port=intake.port, path=path,
                   before=before):
        intake.await_stored()
    intake.expect(bodies, message_of, **about)


def test_python_logging(sluice):
    """HTTPHandler posts a form for each record, over a connection of its own, and waits for the answer: a line of text.
    Fewer records, since each of them waits for the disk."""
    intake = Intake(sluice, "http")
    bodies = messages("python", 2_000)

    def send(some):
        handler = logging.handlers.HTTPHandler(f"127.0.0.1:{intake.port}", "/ingest", method="POST")
        for body in some:
            handler.emit(logging.makeLogRecord({"name": "tester", "msg": body}))
        handler.close()

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(send, [bodies[i::8] for i in range(8)]))
    intake.expect(bodies, lambda x: dict(urllib.parse.parse_qsl(x["body"], strict_parsing=True))["msg"])

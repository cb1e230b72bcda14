"""Fluent Bit's outputs, wherever it is installed: Debian has no package of it."""

import json
import shutil

import pytest

from sender import Daemon, Intake, configuration, message_file, messages, needs


def of_json(record):
    return json.loads(record["body"])["log"]


def as_it_is(record):
    return record["body"]


@needs("fluent-bit", shutil.which("fluent-bit"))
@pytest.mark.parametrize("lane, output, body, about, options", [
    ("http", "http", of_json, {}, ["uri /ingest", "format json_lines"]),
    ("http", "http", of_json, {}, ["uri /ingest", "format json", "compress gzip"]),
    ("http", "http", as_it_is, {}, ["uri /ingest?fields=auto", "format json_lines", "json_date_key timestamp",
                                    "json_date_format iso8601"]),
    ("http", "loki", of_json, {"job": "tester"}, ["labels job=tester", "line_format json"]),
    ("http", "es", of_json, {"index": "logs"}, ["index logs", "suppress_type_name on", "buffer_size false"]),
    ("http", "opentelemetry", as_it_is, {}, ["logs_uri /v1/logs", "logs_body_key $log"]),
    ("syslog+tcp", "syslog", as_it_is, {"severity": "notice", "facility": "local2", "appname": "tester"},
     ["mode tcp", "syslog_format rfc5424", "syslog_message_key log", "syslog_severity_preset 5",
      "syslog_facility_preset 18", "syslog_appname_preset tester"]),
], ids=["http", "http-gzip", "http-fields", "loki", "es", "opentelemetry", "syslog"])
def test_fluent_bit(sluice, lane, output, body, about, options):
    intake = Intake(sluice, lane)
    bodies = messages("fluent-bit")
    config = configuration(sluice, "fluent-bit.conf", file=message_file(sluice, bodies), output=output,
                           port=intake.port, options="\n".join(f"    {x}" for x in options))
    with Daemon(["fluent-bit", "-c", config]):
        intake.await_stored()
    intake.expect(bodies, body, **about)

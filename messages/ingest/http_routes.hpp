#pragma once

#include <string>
#include <variant>

#include "messages/http_message.hpp"
#include "messages/ingest/otlp_records.hpp"
#include "messages/ingest/text_records.hpp"

namespace sluice {

enum class ingest_format { text, ndjson, json, loki_json, loki_protobuf, bulk, otlp };

/// Where the records of a request are, and how.
struct ingest_route {
  ingest_format format;
  std::string index;                                ///< Of bulk, if the path has one.
  json_form form = json_form::as_it_came;           ///< Of JSON and NDJSON.
  otlp_encoding encoding = otlp_encoding::protobuf; ///< Of OTLP.
};

/// Finds out what a request brings, or what is answered to it without its body.
std::variant<ingest_route, http_answer> find_route(const http_head& head);

/// An error in the form that the clients of this path read.
http_answer ingest_error(const http_head& head, unsigned status, const std::string& message);

} // namespace sluice

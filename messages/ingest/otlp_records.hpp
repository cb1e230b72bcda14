#pragma once

#include "messages/ingest/ingest.hpp"

namespace sluice {

/// How a request is written, and its answer.
enum class otlp_encoding { protobuf, json };

/// An export request of OTLP/HTTP with logs.
expected<ingest_counts> read_otlp(
  std::string_view body, otlp_encoding encoding, timestamp now, const ingest_take& take);

/// The body of a 200: with what was refused, if something was.
std::string otlp_answer(const ingest_counts& counts, otlp_encoding encoding);

/// The body of any other answer.
std::string otlp_status(std::string_view message, otlp_encoding encoding);

} // namespace sluice

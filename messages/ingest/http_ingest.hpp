#pragma once

#include <optional>

#include "messages/http_message.hpp"
#include "messages/ingest/ingest.hpp"

namespace sluice {

struct http_ingest_options {
  std::string bearer_token;                      ///< Asked of every request; empty: none is.
  std::size_t max_body_bytes = 16 * 1024 * 1024; ///< When it is inflated.
};

/// What is made of a request.
struct http_outcome {
  ingest_counts counts;
  http_answer answer; ///< For when all records are durable.
};

/// The endpoints of docs/specs/http-ingest.md: what a request gives, and what is answered. Pure functions.
class http_ingest {
public:
  explicit http_ingest(http_ingest_options options = {}) : options_(std::move(options)) {}

  /// The answer to a request whose body does not matter: a question, or one that is refused.
  std::optional<http_answer> answer_at_once(const http_head& head) const;

  /// Makes records of a request that `answer_at_once` has let pass. One that is answered by an error has given none.
  http_outcome read(const http_request& request, timestamp now, const ingest_take& take) const;

private:
  bool is_allowed(std::string_view authorization) const;

  http_ingest_options options_;
};

} // namespace sluice

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "messages/buffer.hpp"

/// Requests and answers of HTTP, as far as an ingest endpoint has to do with them.

namespace sluice {

/// What is known of a request before its body. Absent fields are empty.
struct http_head {
  std::string method; ///< `POST`
  std::string path;   ///< As it came, without the query.
  std::string query;  ///< Without its `?`.
  std::string content_type;
  std::string content_encoding;
  std::string authorization;
};

struct http_request {
  http_head head;
  buffer body; ///< As it came: compressed, if the head says so.
};

struct http_answer {
  unsigned status = 200;
  std::string content_type; ///< Of the body, if there is one.
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields; ///< Others; names and values are not checked.
};

/// An answer in words.
inline http_answer http_text(unsigned status, std::string message) {
  return {status, "text/plain; charset=utf-8", std::move(message) + '\n', {}};
}

/// The answer to who may try again in a second.
inline http_answer http_overloaded(std::string message) {
  auto made = http_text(503, std::move(message));
  made.fields.emplace_back("Retry-After", "1");
  return made;
}

} // namespace sluice

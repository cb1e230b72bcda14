#include "messages/ingest/http_routes.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "messages/ingest/base64.hpp"
#include "messages/ingest/bulk_records.hpp"

namespace sluice {

namespace {

constexpr auto json_type = "application/json";
constexpr auto protobuf_type = "application/x-protobuf";

constexpr auto es_product = R"({"name":"sluice","cluster_name":"sluice","cluster_uuid":"sluice","version":{)"
                            R"("number":"8.0.0","build_flavor":"default","build_type":"deb","build_hash":"none",)"
                            R"("build_date":"2022-02-03T00:00:00.000000000Z","build_snapshot":false,)"
                            R"("lucene_version":"9.0.0","minimum_wire_compatibility_version":"7.17.0",)"
                            R"("minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"})";
constexpr auto es_license = R"({"license":{"status":"active","uid":"sluice","type":"basic"}})";
constexpr auto es_health = R"({"cluster_name":"sluice","status":"green","timed_out":false,"number_of_nodes":1})";

/// What is asked before something is sent.
struct question {
  std::string_view path;
  const char* type;
  const char* answer;
  bool is_of_elasticsearch;
};

constexpr std::array questions{
  question{"/", json_type, es_product, true},
  question{"/_license", json_type, es_license, true},
  question{"/_cluster/health", json_type, es_health, true},
  question{"/_cat/health", "text/plain; charset=utf-8", "sluice green\n", true},
  question{"/ready", "text/plain; charset=utf-8", "ready\n", false},
};

enum class path_kind { none, plain, loki, bulk, otlp };

path_kind kind_of(std::string_view path) {
  if (path == "/" || path == "/ingest")
    return path_kind::plain;
  if (path == "/loki/api/v1/push")
    return path_kind::loki;
  if (path == "/v1/logs")
    return path_kind::otlp;
  auto is_bulk = path.ends_with("/_bulk") && std::ranges::count(path, '/') <= 2;
  return is_bulk ? path_kind::bulk : path_kind::none;
}

/// Without parameters, in lower case.
std::string media_type(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' '))
    type.remove_suffix(1);
  std::string made{type};
  std::ranges::transform(made, made.begin(), [](unsigned char c) { return std::tolower(c); });
  return made;
}

otlp_encoding encoding_of(const http_head& head) {
  return media_type(head.content_type) == json_type ? otlp_encoding::json : otlp_encoding::protobuf;
}

/// `%3C` is `<`; what is not written so stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string made;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto byte = text[at] == '%' ? hex_decode(text.substr(at + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      made += *byte;
      at += 2;
    } else {
      made += text[at];
    }
  }
  return made;
}

bool has_parameter(std::string_view query, std::string_view wanted) {
  while (!query.empty()) {
    auto end = query.find('&');
    if (query.substr(0, end) == wanted)
      return true;
    query.remove_prefix(end == query.npos ? query.size() : end + 1);
  }
  return false;
}

std::optional<ingest_format> plain_format(const std::string& type) {
  constexpr std::array<std::string_view, 3> text{"", "text/plain", "application/x-www-form-urlencoded"};
  constexpr std::array<std::string_view, 4> ndjson{
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"};
  if (type == json_type)
    return ingest_format::json;
  if (std::ranges::find(text, type) != text.end())
    return ingest_format::text;
  if (std::ranges::find(ndjson, type) != ndjson.end())
    return ingest_format::ndjson;
  return std::nullopt;
}

http_answer not_allowed(const http_head& head, std::string methods) {
  auto made = ingest_error(head, 405, "use one of " + methods);
  made.fields.emplace_back("Allow", std::move(methods));
  return made;
}

http_answer answer_to(const question& asked) {
  http_answer made{200, asked.type, asked.answer, {}};
  if (asked.is_of_elasticsearch)
    made.fields.emplace_back("X-Elastic-Product", "Elasticsearch");
  return made;
}

std::optional<ingest_route> route_of(path_kind kind, const http_head& head) {
  auto type = media_type(head.content_type);
  switch (kind) {
  case path_kind::plain:
    if (auto format = plain_format(type)) {
      auto form = has_parameter(head.query, "fields=auto") ? json_form::fields : json_form::as_it_came;
      return ingest_route{.format = *format, .index = {}, .form = form};
    }
    break;
  case path_kind::loki:
    if (type == json_type || type == protobuf_type)
      return ingest_route{type == json_type ? ingest_format::loki_json : ingest_format::loki_protobuf, {}};
    break;
  case path_kind::bulk: {
    std::string_view path = head.path;
    return ingest_route{ingest_format::bulk, percent_decoded(path.substr(1, std::max(path.rfind('/'), 1UL) - 1))};
  }
  case path_kind::otlp:
    if (type == json_type || type == protobuf_type)
      return ingest_route{.format = ingest_format::otlp, .index = {}, .encoding = encoding_of(head)};
    break;
  case path_kind::none:
    break;
  }
  return std::nullopt;
}

} // namespace

std::variant<ingest_route, http_answer> find_route(const http_head& head) {
  auto asked = std::ranges::find(questions, head.path, &question::path);
  auto is_question = asked != questions.end();
  if (is_question && (head.method == "GET" || head.method == "HEAD"))
    return answer_to(*asked);
  auto kind = kind_of(head.path);
  if (kind == path_kind::none)
    return is_question ? not_allowed(head, "GET, HEAD") : ingest_error(head, 404, "there is nothing at this path");
  if (head.method != "POST" && !(kind == path_kind::bulk && head.method == "PUT"))
    return not_allowed(head, is_question ? "GET, HEAD, POST" : kind == path_kind::bulk ? "POST, PUT" : "POST");
  auto route = route_of(kind, head);
  if (route && route->index.size() > max_bulk_index_bytes)
    return ingest_error(head, 400, fmt::format("the name of an index has no more than {} bytes", max_bulk_index_bytes));
  if (route)
    return *route;
  return ingest_error(head, 415, fmt::format("records of type `{}` are not taken here", head.content_type));
}

http_answer ingest_error(const http_head& head, unsigned status, const std::string& message) {
  switch (kind_of(head.path)) {
  case path_kind::otlp: {
    auto encoding = encoding_of(head);
    return {status, encoding == otlp_encoding::json ? json_type : protobuf_type, otlp_status(message, encoding), {}};
  }
  case path_kind::bulk:
    return {status, json_type,
      fmt::format(R"({{"error":{{"type":"{}","reason":{}}},"status":{}}})",
        status == 401 ? "security_exception" : "illegal_argument_exception",
        boost::json::serialize(boost::json::string_view{message}), status),
      {{"X-Elastic-Product", "Elasticsearch"}}};
  default:
    return http_text(status, message);
  }
}

} // namespace sluice

#include "messages/ingest/http_ingest.hpp"

#include <fmt/format.h>

#include "messages/ingest/base64.hpp"
#include "messages/ingest/bulk_records.hpp"
#include "messages/ingest/http_routes.hpp"
#include "messages/ingest/inflate.hpp"
#include "messages/ingest/loki_records.hpp"

namespace sluice {

namespace {

constexpr auto json_type = "application/json";

/// Takes as long whatever the two have in common.
bool is_same_secret(std::string_view given, std::string_view wanted) {
  unsigned differs = given.size() != wanted.size();
  for (std::size_t i = 0; i < given.size() && !wanted.empty(); ++i)
    differs |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(wanted[i % wanted.size()]);
  return differs == 0;
}

/// A push of Loki in protobuf is always in a snappy block, and only some clients say so.
expected<content_coding> coding_of(const ingest_route& route, const http_head& head) {
  auto named = parse_content_coding(head.content_encoding);
  if (route.format == ingest_format::loki_protobuf && named == content_coding::identity)
    return content_coding::snappy;
  return named;
}

expected<http_outcome> read_records(
  const ingest_route& route, std::string_view body, timestamp now, const ingest_take& take) {
  auto with = [](http_answer answer) {
    return [answer](ingest_counts counts) { return http_outcome{std::move(counts), answer}; };
  };
  auto plain = [](ingest_counts counts) {
    auto text = fmt::format(R"({{"records":{},"unparsed":{}}})", counts.records, counts.unparsed);
    return http_outcome{std::move(counts), {200, json_type, std::move(text), {}}};
  };
  switch (route.format) {
  case ingest_format::text:
    return plain(read_text(body, now, take));
  case ingest_format::ndjson:
    return plain(read_ndjson(body, now, route.form, take));
  case ingest_format::json:
    return read_json(body, now, route.form, take).map(plain);
  case ingest_format::loki_json:
    return read_loki_json(body, now, take).map(with({204, {}, {}, {}}));
  case ingest_format::loki_protobuf:
    return read_loki_protobuf(body, now, take).map(with({204, {}, {}, {}}));
  case ingest_format::bulk:
    return read_bulk(body, route.index, now, take).map([](bulk_outcome made) {
      return http_outcome{
        std::move(made.counts), {200, json_type, std::move(made.answer), {{"X-Elastic-Product", "Elasticsearch"}}}};
    });
  case ingest_format::otlp:
    return read_otlp(body, route.encoding, now, take).map([&route](ingest_counts counts) {
      auto type = route.encoding == otlp_encoding::json ? json_type : "application/x-protobuf";
      auto text = otlp_answer(counts, route.encoding);
      return http_outcome{std::move(counts), {200, type, std::move(text), {}}};
    });
  }
  return fail(errc::invalid_argument, "no such format");
}

} // namespace

std::optional<http_answer> http_ingest::answer_at_once(const http_head& head) const {
  if (!is_allowed(head.authorization)) {
    auto refused = ingest_error(head, 401, "a bearer token is needed, and this is not the one");
    refused.fields.emplace_back("WWW-Authenticate", "Bearer");
    return refused;
  }
  auto found = find_route(head);
  if (auto* answer = std::get_if<http_answer>(&found))
    return std::move(*answer);
  if (auto coding = coding_of(std::get<ingest_route>(found), head); !coding)
    return ingest_error(head, 415, coding.error().message);
  return std::nullopt;
}

http_outcome http_ingest::read(const http_request& request, timestamp now, const ingest_take& take) const {
  auto found = find_route(request.head);
  auto& route = std::get<ingest_route>(found);
  auto made = coding_of(route, request.head).and_then([&](content_coding coding) -> expected<http_outcome> {
    if (coding == content_coding::identity)
      return read_records(route, request.body.text(), now, take);
    return inflate(coding, request.body.view(), options_.max_body_bytes).and_then([&](const buffer& body) {
      return read_records(route, body.text(), now, take);
    });
  });
  if (made)
    return std::move(*made);
  auto& why = made.error();
  return {{}, ingest_error(request.head, why.code == errc::too_large ? 413 : 400, why.message)};
}

/// Clients that know no bearer token may give it as the password of any user.
bool http_ingest::is_allowed(std::string_view authorization) const {
  if (options_.bearer_token.empty())
    return true;
  auto space = authorization.find(' ');
  auto scheme = authorization.substr(0, space);
  auto given = space == authorization.npos ? std::string_view{} : authorization.substr(space + 1);
  if (is_in_any_case(scheme, "bearer"))
    return is_same_secret(given, options_.bearer_token);
  auto login = is_in_any_case(scheme, "basic") ? base64_decode(given) : std::nullopt;
  return login && login->find(':') != login->npos &&
         is_same_secret(std::string_view{*login}.substr(login->find(':') + 1), options_.bearer_token);
}

} // namespace sluice

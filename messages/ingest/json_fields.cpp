#include "messages/ingest/json_fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "messages/ingest/ingest.hpp"
#include "messages/rfc3339.hpp"

namespace sluice {

namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 4> time_names{"timestamp", "@timestamp", "time", "ts"};
constexpr std::array<std::string_view, 3> severity_names{"level", "severity", "log.level"};
constexpr std::array<std::string_view, 3> body_names{"message", "msg", "log"};

std::string_view view(json::string_view text) {
  return {text.data(), text.size()};
}

std::optional<timestamp> at(std::int64_t count, std::int64_t fraction) {
  constexpr std::int64_t seconds_below = 100'000'000'000;
  if (count < 0)
    return std::nullopt;
  if (count < seconds_below)
    return timestamp_from(count, fraction);
  std::int64_t per_second = 1'000;
  while (per_second < 1'000'000'000 && count >= seconds_below * per_second)
    per_second *= 1'000;
  return timestamp_from(count / per_second, count % per_second * (1'000'000'000 / per_second));
}

std::optional<timestamp> at(double count) {
  if (!(count >= 0 && count < 9.2e18))
    return std::nullopt;
  auto whole = static_cast<std::int64_t>(count);
  auto fraction = std::llround((count - static_cast<double>(whole)) * 1e9);
  return at(whole, std::min(fraction, 999'999'999LL));
}

/// The first of `names` whose value `read` understands.
template <class Names, class Read>
auto find(const json::object& from, const Names& names, Read read) {
  auto found = from.end();
  decltype(read(found->value())) value;
  for (auto name : names) {
    auto at = from.find(json::string_view{name.data(), name.size()});
    if (at != from.end() && (value = read(at->value()))) {
      found = at;
      break;
    }
  }
  return std::pair{found, value};
}

std::optional<std::string_view> string_of(const json::value& value) {
  auto* text = value.if_string();
  return text ? std::optional{view(*text)} : std::nullopt;
}

} // namespace

std::optional<timestamp> parse_ingest_time(std::string_view text) {
  time_scanner date{text};
  if (auto found = date.date_time(); found && date.at_end())
    return found;
  std::int64_t count = 0;
  auto [end, failure] = std::from_chars(text.begin(), text.end(), count);
  if (failure != std::errc{})
    return std::nullopt;
  time_scanner rest{text.substr(static_cast<std::size_t>(end - text.begin()))};
  auto fraction = rest.fraction();
  return fraction && rest.at_end() ? at(count, *fraction) : std::nullopt;
}

std::optional<timestamp> json_timestamp(const json::value& value) {
  if (auto* text = value.if_string())
    return parse_ingest_time(view(*text));
  if (auto* count = value.if_int64())
    return at(*count, 0);
  if (auto* count = value.if_double())
    return at(*count);
  return std::nullopt;
}

std::optional<severity> json_severity(const json::value& value) {
  if (auto* text = value.if_string())
    return parse_ingest_severity(view(*text));
  if (auto* number = value.if_int64(); number && *number >= 0 && *number <= 7)
    return static_cast<severity>(*number);
  return std::nullopt;
}

void read_time_and_severity(const json::object& from, record_view& record) {
  if (auto time = find(from, time_names, json_timestamp).second)
    record.time = *time;
  record.level = find(from, severity_names, json_severity).second;
}

bool json_fields::read(const json::object& from, record_view& record) {
  texts_.clear();
  record.attributes.clear();
  auto [body_at, body] = find(from, body_names, string_of);
  if (!body)
    return false;
  record.body = *body;
  auto [time_at, time] = find(from, time_names, json_timestamp);
  if (time)
    record.time = *time;
  auto [level_at, level] = find(from, severity_names, json_severity);
  record.level = level;
  for (auto at = from.begin(); at != from.end(); ++at)
    if (at != body_at && at != time_at && at != level_at)
      record.attributes.emplace_back(view(at->key()), texts_.of(at->value()));
  return true;
}

} // namespace sluice

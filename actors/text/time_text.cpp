#include "actors/text/time_text.hpp"

#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "messages/rfc3339.hpp"

namespace sluice {

namespace {

using namespace std::chrono;

std::optional<timestamp> parse_rfc3339(std::string_view text) {
  time_scanner day{text};
  if (auto midnight = day.date(); midnight && day.at_end())
    return timestamp_from(*midnight, 0);
  time_scanner in{text};
  auto found = in.date_time();
  return in.at_end() ? found : std::nullopt;
}

std::optional<timestamp> parse_unix(std::string_view text) {
  time_scanner in{text};
  auto seconds = in.digits(1, 12);
  auto nanos = seconds ? in.fraction() : std::nullopt;
  return nanos && in.at_end() ? timestamp_from(*seconds, *nanos) : std::nullopt;
}

std::optional<nanoseconds> unit_of(std::string_view text) {
  if (text == "ms")
    return milliseconds{1};
  if (text == "s")
    return seconds{1};
  if (text == "m")
    return minutes{1};
  if (text == "h")
    return hours{1};
  if (text == "d")
    return hours{24};
  return std::nullopt;
}

std::optional<timestamp> parse_ago(std::string_view text, timestamp now) {
  time_scanner in{text};
  auto count = in.digits(1, 12);
  auto unit = count ? unit_of(in.rest()) : std::nullopt;
  if (!unit || *count > now.time_since_epoch() / *unit)
    return std::nullopt;
  return now - *count * *unit;
}

} // namespace

std::string format_timestamp(timestamp time) {
  auto day = floor<days>(time);
  year_month_day date{day};
  hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()),
    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
    clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

expected<timestamp> parse_time(std::string_view text, timestamp now) {
  if (auto found = parse_rfc3339(text))
    return *found;
  if (auto found = parse_unix(text))
    return *found;
  if (auto found = parse_ago(text, now))
    return *found;
  return fail(errc::invalid_argument,
    fmt::format(
      "'{}' is not a time: write 2024-05-01T12:00:00Z, 2024-05-01, Unix seconds, or how long ago (5m, 1h)", text));
}

} // namespace sluice

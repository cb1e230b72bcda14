#include "actors/text/time_text.hpp"

#include <chrono>
#include <optional>

#include <fmt/format.h>

namespace sluice {

namespace {

using namespace std::chrono;

constexpr std::int64_t nanos_per_second = 1'000'000'000;
/// What fits into 64 bits of nanoseconds, with room for an offset: the years 1678 to 2261.
constexpr std::int64_t max_seconds = 9'223'000'000;

/// Takes pieces from the front of a text; after the first that is missing everything fails.
class scanner {
public:
  explicit scanner(std::string_view text) : text_(text) {}

  bool skip(char wanted) {
    if (text_.empty() || text_.front() != wanted)
      return false;
    text_.remove_prefix(1);
    return true;
  }

  bool at_end() const { return text_.empty(); }
  std::string_view rest() const { return text_; }

  /// Between `least` and `most` digits.
  std::optional<std::int64_t> digits(std::size_t least, std::size_t most) {
    std::size_t count = 0;
    std::int64_t value = 0;
    for (; count < most && count < text_.size() && text_[count] >= '0' && text_[count] <= '9'; ++count)
      value = value * 10 + (text_[count] - '0');
    if (count < least)
      return std::nullopt;
    text_.remove_prefix(count);
    return value;
  }

  /// `.` and one to nine digits as nanoseconds, 0 where there is no `.`.
  std::optional<std::int64_t> fraction() {
    if (!skip('.'))
      return 0;
    auto before = text_.size();
    auto value = digits(1, 9);
    if (!value)
      return std::nullopt;
    for (auto count = before - text_.size(); count < 9; ++count)
      *value *= 10;
    return value;
  }

private:
  std::string_view text_;
};

std::optional<timestamp> from_seconds(std::int64_t whole, std::int64_t nanos) {
  if (whole < -max_seconds || whole > max_seconds)
    return std::nullopt;
  return timestamp{nanoseconds{whole * nanos_per_second + nanos}};
}

std::optional<std::int64_t> scan_date(scanner& in) {
  auto y = in.digits(4, 4);
  auto m = y && in.skip('-') ? in.digits(2, 2) : std::nullopt;
  auto d = m && in.skip('-') ? in.digits(2, 2) : std::nullopt;
  if (!d)
    return std::nullopt;
  year_month_day date{year{static_cast<int>(*y)}, month{static_cast<unsigned>(*m)}, day{static_cast<unsigned>(*d)}};
  if (!date.ok())
    return std::nullopt;
  return sys_days{date}.time_since_epoch().count() * std::int64_t{86'400};
}

/// `hh:mm` in seconds.
std::optional<std::int64_t> scan_minutes(scanner& in) {
  auto h = in.digits(2, 2);
  auto m = h && in.skip(':') ? in.digits(2, 2) : std::nullopt;
  if (!m || *h > 23 || *m > 59)
    return std::nullopt;
  return *h * 3600 + *m * 60;
}

std::optional<std::int64_t> scan_offset(scanner& in) {
  if (in.skip('Z') || in.skip('z'))
    return 0;
  auto sign = in.skip('+') ? 1 : in.skip('-') ? -1 : 0;
  auto seconds = sign != 0 ? scan_minutes(in) : std::nullopt;
  if (!seconds)
    return std::nullopt;
  return sign * *seconds;
}

std::optional<timestamp> parse_rfc3339(std::string_view text) {
  scanner in{text};
  auto date = scan_date(in);
  if (!date)
    return std::nullopt;
  if (in.at_end())
    return from_seconds(*date, 0);
  if (!in.skip('T') && !in.skip('t') && !in.skip(' '))
    return std::nullopt;
  auto minutes = scan_minutes(in);
  auto seconds = minutes && in.skip(':') ? in.digits(2, 2) : std::nullopt;
  auto nanos = seconds && *seconds <= 60 ? in.fraction() : std::nullopt;
  auto offset = nanos ? scan_offset(in) : std::nullopt;
  if (!offset || !in.at_end())
    return std::nullopt;
  return from_seconds(*date + *minutes + *seconds - *offset, *nanos);
}

std::optional<timestamp> parse_unix(std::string_view text) {
  scanner in{text};
  auto seconds = in.digits(1, 12);
  auto nanos = seconds ? in.fraction() : std::nullopt;
  if (!nanos || !in.at_end())
    return std::nullopt;
  return from_seconds(*seconds, *nanos);
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
  scanner in{text};
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

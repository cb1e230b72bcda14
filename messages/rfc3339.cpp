#include "messages/rfc3339.hpp"

#include <chrono>

namespace sluice {

namespace {

constexpr std::int64_t nanos_per_second = 1'000'000'000;
constexpr std::int64_t max_seconds = 9'223'000'000; // with room for an offset

} // namespace

std::optional<std::int64_t> seconds_of_date(std::int64_t year, std::int64_t month, std::int64_t day) noexcept {
  using namespace std::chrono;
  year_month_day date{std::chrono::year{static_cast<int>(year)}, std::chrono::month{static_cast<unsigned>(month)},
    std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok())
    return std::nullopt;
  return sys_days{date}.time_since_epoch().count() * std::int64_t{86'400};
}

std::optional<timestamp> timestamp_from(std::int64_t seconds, std::int64_t nanoseconds) noexcept {
  if (seconds < -max_seconds || seconds > max_seconds)
    return std::nullopt;
  return timestamp{std::chrono::nanoseconds{seconds * nanos_per_second + nanoseconds}};
}

std::optional<std::int64_t> time_scanner::digits(std::size_t least, std::size_t most) noexcept {
  std::size_t count = 0;
  std::int64_t value = 0;
  for (; count < most && count < text_.size() && text_[count] >= '0' && text_[count] <= '9'; ++count)
    value = value * 10 + (text_[count] - '0');
  if (count < least)
    return std::nullopt;
  text_.remove_prefix(count);
  return value;
}

std::optional<std::int64_t> time_scanner::fraction() noexcept {
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

std::optional<std::int64_t> time_scanner::time_of_day() noexcept {
  auto h = digits(2, 2);
  auto m = h && skip(':') ? digits(2, 2) : std::nullopt;
  auto s = m && skip(':') ? digits(2, 2) : std::nullopt;
  if (!s || *h > 23 || *m > 59 || *s > 60)
    return std::nullopt;
  return *h * 3600 + *m * 60 + *s;
}

std::optional<std::int64_t> time_scanner::offset() noexcept {
  if (skip('Z') || skip('z'))
    return 0;
  auto sign = skip('+') ? 1 : skip('-') ? -1 : 0;
  auto h = sign != 0 ? digits(2, 2) : std::nullopt;
  auto m = h && skip(':') ? digits(2, 2) : std::nullopt;
  if (!m || *h > 23 || *m > 59)
    return std::nullopt;
  return sign * (*h * 3600 + *m * 60);
}

std::optional<std::int64_t> time_scanner::date() noexcept {
  auto y = digits(4, 4);
  auto m = y && skip('-') ? digits(2, 2) : std::nullopt;
  auto d = m && skip('-') ? digits(2, 2) : std::nullopt;
  return d ? seconds_of_date(*y, *m, *d) : std::nullopt;
}

std::optional<timestamp> time_scanner::date_time() noexcept {
  auto day = date();
  if (!day || (!skip('T') && !skip('t') && !skip(' ')))
    return std::nullopt;
  auto seconds = time_of_day();
  auto nanos = seconds ? fraction() : std::nullopt;
  auto east = nanos ? offset() : std::nullopt;
  return east ? timestamp_from(*day + *seconds - *east, *nanos) : std::nullopt;
}

} // namespace sluice

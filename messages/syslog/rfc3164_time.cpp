#include "messages/syslog/rfc3164_time.hpp"

#include <array>
#include <utility>

#include "messages/rfc3339.hpp"

namespace sluice {

namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 12> months = {
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Hours east of UTC.
constexpr std::array<std::pair<std::string_view, int>, 19> zones = {{{"UTC", 0}, {"GMT", 0}, {"Z", 0}, {"EST", -5},
  {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}, {"WET", 0}, {"WEST", 1},
  {"CET", 1}, {"CEST", 2}, {"EET", 2}, {"EEST", 3}, {"BST", 1}, {"MSK", 3}}};

constexpr auto tolerated_lead = days{7};
constexpr auto greatest_offset = days{1};

struct civil_time {
  std::optional<std::int64_t> year;
  std::int64_t month = 0, day = 0, second_of_day = 0, nanoseconds = 0;
  std::optional<std::int64_t> offset;
};

std::optional<std::int64_t> take_month(time_scanner& in) noexcept {
  for (std::size_t i = 0; i < months.size(); ++i)
    if (in.rest().starts_with(months[i])) {
      in = time_scanner{in.rest().substr(months[i].size())};
      return static_cast<std::int64_t>(i) + 1;
    }
  return std::nullopt;
}

/// Four digits and a space, or nothing is taken.
std::optional<std::int64_t> take_year(time_scanner& in) noexcept {
  auto ahead = in;
  auto year = ahead.digits(4, 4);
  if (!year || (!ahead.at_end() && !ahead.skip(' ')))
    return std::nullopt;
  in = ahead;
  return year;
}

bool ends_word(std::string_view text) noexcept {
  return text.empty() || text.front() == ' ' || text.front() == ':';
}

/// A zone that ends a word, or nothing is taken.
std::optional<std::int64_t> take_zone(time_scanner& in) noexcept {
  auto ahead = in;
  if (auto offset = ahead.offset(); offset && ends_word(ahead.rest())) {
    in = ahead;
    return offset;
  }
  for (auto& [name, hours] : zones)
    if (in.rest().starts_with(name) && ends_word(in.rest().substr(name.size()))) {
      in = time_scanner{in.rest().substr(name.size())};
      return hours * 3600;
    }
  return std::nullopt;
}

/// `Mmm dd hh:mm:ss` with what may stand between and behind.
std::optional<civil_time> take_civil_time(time_scanner& in) noexcept {
  civil_time found;
  found.year = take_year(in);
  auto month = take_month(in);
  if (!month || !in.skip(' '))
    return std::nullopt;
  in.skip(' ');
  auto day = in.digits(1, 2);
  if (!day || !in.skip(' '))
    return std::nullopt;
  if (!found.year)
    found.year = take_year(in);
  auto seconds = in.time_of_day();
  auto nanos = seconds ? in.fraction() : std::nullopt;
  if (!nanos)
    return std::nullopt;
  found.month = *month;
  found.day = *day;
  found.second_of_day = *seconds;
  found.nanoseconds = *nanos;
  auto ahead = in;
  if (ahead.skip(' '))
    if (found.offset = take_zone(ahead); found.offset)
      in = ahead;
  ahead = in;
  if (!found.year && ahead.skip(' '))
    if (found.year = take_year(ahead); found.year) {
      in = time_scanner{in.rest().substr(5)}; // the space behind the year stays
    }
  return found;
}

std::optional<timestamp> from_local(std::int64_t second, std::int64_t nanoseconds, local_zone& zone) {
  return timestamp_from(second - zone.offset(local_seconds{seconds{second}}).count(), nanoseconds);
}

/// `day`: its midnight, in seconds since 1970.
std::optional<timestamp> to_time(const civil_time& from, std::int64_t day, local_zone& zone) {
  auto second = day + from.second_of_day;
  return from.offset ? timestamp_from(second - *from.offset, from.nanoseconds)
                     : from_local(second, from.nanoseconds, zone);
}

/// The latest year in which the time is not too far ahead. Leap days may be eight years apart. The zone is not asked
/// about days that are ahead in any zone, for it remembers only what it was asked last.
std::optional<timestamp> guess_year(const civil_time& from, timestamp received_at, local_zone& zone) {
  auto latest = received_at + tolerated_lead;
  auto latest_day = floor<seconds>(latest + greatest_offset).time_since_epoch().count();
  std::int64_t next = static_cast<int>(year_month_day{floor<days>(received_at)}.year()) + 1;
  for (auto year = next; year > next - 10; --year)
    if (auto day = seconds_of_date(year, from.month, from.day); day && *day <= latest_day)
      if (auto time = to_time(from, *day, zone); time && *time <= latest)
        return time;
  return std::nullopt;
}

/// RFC 3339 without an offset.
std::optional<timestamp> take_local_date_time(time_scanner& in, local_zone& zone) {
  auto day = in.date();
  if (!day || (!in.skip('T') && !in.skip(' ')))
    return std::nullopt;
  auto second_of_day = in.time_of_day();
  auto nanos = second_of_day ? in.fraction() : std::nullopt;
  return nanos ? from_local(*day + *second_of_day, *nanos, zone) : std::nullopt;
}

std::optional<timestamp> take_time(time_scanner& in, timestamp received_at, local_zone& zone) {
  auto ahead = in;
  if (auto time = ahead.date_time()) {
    in = ahead;
    return time;
  }
  ahead = in;
  if (auto time = take_local_date_time(ahead, zone)) {
    in = ahead;
    return time;
  }
  auto civil = take_civil_time(in);
  if (!civil)
    return std::nullopt;
  if (!civil->year)
    return guess_year(*civil, received_at, zone);
  auto day = seconds_of_date(*civil->year, civil->month, civil->day);
  return day ? to_time(*civil, *day, zone) : std::nullopt;
}

/// Cisco's `NNN: ` and the mark of a clock that is not set.
void skip_sequence(time_scanner& in) noexcept {
  auto ahead = in;
  if (ahead.digits(1, 18) && ahead.skip(':') && ahead.skip(' '))
    in = ahead;
  if (!in.skip('*'))
    in.skip('.');
}

} // namespace

std::optional<timestamp> take_rfc3164_time(std::string_view& text, timestamp received_at, local_zone& zone) {
  time_scanner in{text};
  skip_sequence(in);
  auto time = take_time(in, received_at, zone);
  if (!time)
    return std::nullopt;
  in.skip(':');
  if (!in.at_end() && !in.skip(' '))
    return std::nullopt;
  text = in.rest();
  return time;
}

} // namespace sluice

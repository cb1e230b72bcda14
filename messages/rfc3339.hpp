#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "messages/stream.hpp"

namespace sluice {

/// Takes pieces of times from the front of a text. Where a piece is missing it gives nothing, and what was taken up to
/// there is gone.
class time_scanner {
public:
  explicit time_scanner(std::string_view text) noexcept : text_(text) {}

  bool at_end() const noexcept { return text_.empty(); }
  std::string_view rest() const noexcept { return text_; }

  bool skip(char wanted) noexcept {
    if (text_.empty() || text_.front() != wanted)
      return false;
    text_.remove_prefix(1);
    return true;
  }

  /// Between `least` and `most` digits, 18 at most.
  std::optional<std::int64_t> digits(std::size_t least, std::size_t most) noexcept;

  /// `.` and one to nine digits as nanoseconds; 0 where there is no `.`.
  std::optional<std::int64_t> fraction() noexcept;

  /// `hh:mm:ss`, a leap second included, in seconds.
  std::optional<std::int64_t> time_of_day() noexcept;

  /// `Z`, `+hh:mm` or `-hh:mm`, in seconds east of UTC.
  std::optional<std::int64_t> offset() noexcept;

  /// `YYYY-MM-DD`, in seconds since 1970.
  std::optional<std::int64_t> date() noexcept;

  /// RFC 3339 section 5.6: date, `T` or a space, time with perhaps a fraction, offset.
  std::optional<timestamp> date_time() noexcept;

private:
  std::string_view text_;
};

/// Seconds since 1970 of midnight UTC; nothing if there is no such day.
std::optional<std::int64_t> seconds_of_date(std::int64_t year, std::int64_t month, std::int64_t day) noexcept;

/// Nothing outside of what 64 bits of nanoseconds hold, about the years 1678 to 2261.
std::optional<timestamp> timestamp_from(std::int64_t seconds, std::int64_t nanoseconds) noexcept;

} // namespace sluice

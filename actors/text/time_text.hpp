#pragma once

#include <string>
#include <string_view>

#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

/// RFC 3339 in UTC with nanoseconds: `2023-11-14T22:13:20.000000000Z`.
std::string format_timestamp(timestamp time);

/// A point in time as users write it: RFC 3339 with `Z` or an offset and perhaps a fraction, `YYYY-MM-DD` (midnight
/// UTC), Unix seconds with perhaps a fraction, or a duration back from `now` (`500ms`, `30s`, `5m`, `1h`, `7d`).
/// Errors: invalid_argument, saying what is accepted.
expected<timestamp> parse_time(std::string_view text, timestamp now);

} // namespace sluice

#pragma once

#include <cstdint>
#include <string_view>

namespace sluice {

/// RFC 5424 section 6.2.1.
enum class severity : std::uint8_t {
  emergency = 0,
  alert = 1,
  critical = 2,
  error = 3,
  warning = 4,
  notice = 5,
  informational = 6,
  debug = 7,
};

std::string_view to_string(severity level) noexcept;

} // namespace sluice

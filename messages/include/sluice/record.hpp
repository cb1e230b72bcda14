#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>

#include <sluice/severity.hpp>

namespace sluice {

struct attribute {
  std::string_view key;   ///< 1 to 256 bytes.
  std::string_view value; ///< 64 KiB at most.
};

/// One record, viewing memory that somebody else owns: it has to hold only until the call that takes it returns.
struct record {
  std::string_view body; ///< Any bytes.
  std::optional<severity> level{};
  std::span<const attribute> attributes{}; ///< 64 at most.
  /// When it happened, in UTC; now, if not set.
  std::optional<std::chrono::sys_time<std::chrono::nanoseconds>> time{};
};

} // namespace sluice

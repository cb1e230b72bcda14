#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "messages/record_codec.hpp"

namespace sluice {

/// How severe a line of a log says that it is: its first level word within its first 128 bytes, in any case: a name of
/// a severity as `parse_severity` takes it, or panic, fatal, severe, verbose or trace. Informational if it has none.
severity severity_of(std::string_view line) noexcept;

/// Lines that follow each other and have the same fate.
struct line_run {
  std::size_t bytes = 0;
  std::uint32_t records = 0;
  bool is_kept = false;
  friend bool operator==(const line_run&, const line_run&) = default;
};

/// Tells the lines that are severe enough to be kept from the others. The rest of a line that comes in pieces goes
/// where its beginning went. Not thread-safe.
class severity_filter {
public:
  /// Keeps what is at least as severe as `least`.
  explicit severity_filter(severity least) : least_(least) {}

  /// Divides text that follows what was given before.
  std::vector<line_run> divide(std::string_view text);

private:
  severity least_;
  std::optional<bool> open_; ///< Whether the line is kept whose end has not come.
};

} // namespace sluice

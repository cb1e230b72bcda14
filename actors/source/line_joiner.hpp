#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/text/byte_pattern.hpp"
#include "messages/errc.hpp"

namespace sluice {

/// Which lines begin a record; those that do not continue the one before. Thread-safe.
class line_joiner {
public:
  /// Those that match a regular expression (RE2 syntax) somewhere. Error: invalid_argument.
  static expected<std::shared_ptr<const line_joiner>> by_start(const std::string& expression);

  /// Those that do not begin with a space or tab.
  static std::shared_ptr<const line_joiner> by_indentation();

  bool begins_record(std::string_view line) const;

  struct joined {
    std::vector<std::uint32_t> record_bytes; ///< Of the records that are followed by another one, line ends included.
    std::size_t last_bytes = 0;              ///< Of the last one, which may go on.
  };

  /// Joins lines. The first one begins a record whatever it is.
  joined join(std::string_view lines) const;

private:
  explicit line_joiner(byte_pattern start) : start_(std::move(start)) {}

  byte_pattern start_; ///< By indentation if there is none.
};

} // namespace sluice

#pragma once

#include <string>
#include <vector>

#include <re2/re2.h>

#include "actors/text/byte_pattern.hpp"
#include "messages/ingest/text_arena.hpp"

namespace sluice {

/// Replaces what an expression matches. Uses its memory again. Not thread-safe.
class redaction {
public:
  /// `with` is as RE2 rewrites it, and right for `match`.
  redaction(byte_pattern match, std::string with);

  /// What was given away so far holds no longer.
  void begin() noexcept { arena_.clear(); }

  struct result {
    std::string_view text; ///< Without its matches, or as it was if there are none. Holds until `begin`.
    bool has_match = false;
    bool is_whole = true; ///< False: it would have had more than `max_bytes`, and is empty.
  };

  /// A match of nothing is none.
  result apply(std::string_view text, std::size_t max_bytes);

private:
  byte_pattern match_;
  std::string with_;
  std::vector<re2::StringPiece> groups_;
  text_arena arena_;
  std::string made_;
};

/// Whether `with` can replace what `match` matches; why not, as errc::invalid_argument.
expected<void> check_replacement(const re2::RE2& match, const std::string& with);

} // namespace sluice

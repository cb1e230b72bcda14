#pragma once

#include <memory>
#include <string>

#include "messages/errc.hpp"

namespace re2 {
class RE2;
}

namespace sluice {

/// A regular expression that sees bytes, for logs may have any encoding. Safe to share between threads.
using byte_pattern = std::shared_ptr<const re2::RE2>;

/// Compiles an expression of RE2. Error: invalid_argument, also for one that would need more than 8 MiB.
expected<byte_pattern> make_byte_pattern(const std::string& expression);

/// Whether it matches somewhere.
bool matches(const re2::RE2& pattern, std::string_view text);

} // namespace sluice

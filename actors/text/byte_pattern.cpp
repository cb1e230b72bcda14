#include "actors/text/byte_pattern.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

namespace sluice {

expected<byte_pattern> make_byte_pattern(const std::string& expression) {
  re2::RE2::Options bytes{re2::RE2::Latin1};
  bytes.set_log_errors(false);
  bytes.set_max_mem(8 * 1024 * 1024);
  auto made = std::make_shared<const re2::RE2>(expression, bytes);
  if (!made->ok())
    return fail(errc::invalid_argument, fmt::format("{}: {}", expression, made->error()));
  return made;
}

bool matches(const re2::RE2& pattern, std::string_view text) {
  return re2::RE2::PartialMatch(re2::StringPiece{text.data(), text.size()}, pattern);
}

} // namespace sluice

#include <algorithm>
#include <array>

#include "messages/record_codec.hpp"

namespace sluice {

namespace {

constexpr std::array<std::string_view, 8> names = {
  "emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"};

constexpr std::array<std::string_view, 8> short_names = {
  "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"};

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_name(std::string_view text, std::string_view name) noexcept {
  return std::ranges::equal(text, name, {}, lower);
}

} // namespace

std::string_view to_string(severity level) noexcept {
  return names[static_cast<std::size_t>(level)];
}

std::optional<severity> parse_severity(std::string_view text) noexcept {
  for (std::uint8_t i = 0; i < names.size(); ++i) {
    auto is_number = text.size() == 1 && text[0] == '0' + i;
    if (is_number || is_name(text, names[i]) || is_name(text, short_names[i]))
      return severity{i};
  }
  return {};
}

} // namespace sluice

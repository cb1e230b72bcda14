#include "messages/ingest/json_values.hpp"

#include <algorithm>

namespace sluice::detail {

namespace {

std::size_t nested_bytes(std::string_view text) noexcept {
  std::size_t depth = 0;
  auto next = [text](std::size_t from) { return text.find_first_of("\"[]{}", from); };
  auto at = next(0);
  while (at != text.npos) {
    auto c = text[at];
    if (c == '[' || c == '{')
      ++depth;
    else if (c != '"' && --depth == 0)
      return at + 1;
    at = next(at + (c == '"' ? std::min(quoted_bytes(text.substr(at)), text.size()) : 1));
  }
  return text.size();
}

} // namespace

std::string_view skip_json_space(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(json_space), text.size()));
  return text;
}

std::size_t quoted_bytes(std::string_view text) noexcept {
  auto at = text.find_first_of("\"\\", 1);
  while (at != text.npos && text[at] == '\\')
    at = text.find_first_of("\"\\", at + 2); // behind what is escaped
  return at == text.npos ? text.npos : at + 1;
}

std::string_view front_json_value(std::string_view text) noexcept {
  if (text.starts_with('"'))
    return text.substr(0, quoted_bytes(text));
  if (text.starts_with('{') || text.starts_with('['))
    return text.substr(0, nested_bytes(text));
  return text.substr(0, text.find_first_of(" \t\r\n,[]{}\""));
}

} // namespace sluice::detail

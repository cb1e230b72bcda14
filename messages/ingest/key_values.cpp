#include "messages/ingest/key_values.hpp"

#include <algorithm>

#include "messages/ingest/json_values.hpp"

namespace sluice {

namespace {

constexpr std::string_view space = " \t\r\n";

std::string_view trim(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
  return text.substr(0, text.find_last_not_of(space) + 1);
}

char escaped(char c) noexcept {
  switch (c) {
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default:
    return c;
  }
}

} // namespace

key_value_reader::key_value_reader(key_value_form form) : form_(form) {
  auto mark = [this](char c) { ends_pair_[static_cast<unsigned char>(c)] = true; };
  mark(form.between_pairs);
  if (form.between_pairs == ' ')
    std::ranges::for_each(space, mark);
  ends_key_ = ends_pair_;
  ends_key_[static_cast<unsigned char>(form.within_pair)] = true;
}

attribute_outcome key_value_reader::read(std::string_view text, std::string_view prefix, attribute_list& to) {
  arena_.clear();
  auto has_pair = false;
  while (!(text = trim(text)).empty()) {
    auto name = take_until(ends_key_, text);
    if (!text.starts_with(form_.within_pair)) {
      text.remove_prefix(std::min<std::size_t>(text.size(), 1)); // a separator, behind what is no pair
      continue;
    }
    text.remove_prefix(1);
    auto value = take_value(text);
    if (!value)
      return attribute_outcome::unparsed;
    if (name.empty())
      continue;
    has_pair = true;
    if (name.size() > payload_limits::max_attribute_key_bytes)
      return attribute_outcome::too_large;
    if (!set_attribute(to, prefix.empty() ? name : arena_.keep({prefix, name}), *value))
      return attribute_outcome::too_large;
  }
  return has_pair ? attribute_outcome::parsed : attribute_outcome::unparsed;
}

/// Up to the first character that `ends` has, which is left.
std::string_view key_value_reader::take_until(const character_set& ends, std::string_view& text) noexcept {
  auto end = std::ranges::find_if(text, [&ends](char c) { return ends[static_cast<unsigned char>(c)]; });
  auto taken = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return trim(taken);
}

/// None if it begins with a quote and has no end.
std::optional<std::string_view> key_value_reader::take_value(std::string_view& text) {
  if (!ends_pair_[' '])
    text = trim(text);
  if (!text.starts_with('"'))
    return take_until(ends_pair_, text);
  auto bytes = detail::quoted_bytes(text);
  if (bytes == text.npos)
    return std::nullopt;
  auto value = unescape(text.substr(1, bytes - 2));
  text.remove_prefix(bytes);
  return value;
}

std::string_view key_value_reader::unescape(std::string_view quoted) {
  constexpr std::string_view known = "\"\\nrt";
  if (quoted.find('\\') == quoted.npos)
    return quoted;
  unescaped_.clear();
  for (std::size_t i = 0; i < quoted.size(); ++i) {
    auto is_escape = quoted[i] == '\\' && i + 1 < quoted.size() && known.find(quoted[i + 1]) != known.npos;
    unescaped_ += is_escape ? escaped(quoted[++i]) : quoted[i];
  }
  return arena_.keep({unescaped_});
}

} // namespace sluice

#include "messages/label_set.hpp"

#include <algorithm>

#include <boost/locale/utf.hpp>
#include <fmt/format.h>

namespace sluice {

namespace {

constexpr std::size_t encoding_overhead_bytes = 3;

bool is_key_char(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

expected<void> check_label(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > label_set::max_key_bytes)
    return fail(errc::invalid_argument,
      fmt::format("label key has {} bytes, must have 1 to {}", key.size(), label_set::max_key_bytes));
  if (!std::ranges::all_of(key, is_key_char))
    return fail(errc::invalid_argument, fmt::format("label key {:?} may only have A-Z a-z 0-9 _ . -", key));
  if (value.size() > label_set::max_value_bytes)
    return fail(errc::invalid_argument,
      fmt::format("value of label '{}' has {} bytes, may have {}", key, value.size(), label_set::max_value_bytes));
  if (!is_utf8(value))
    return fail(errc::invalid_argument, fmt::format("value of label '{}' is not valid UTF-8", key));
  return {};
}

std::size_t encoded_size(std::string_view key, std::string_view value) noexcept {
  return encoding_overhead_bytes + key.size() + value.size();
}

} // namespace

expected<void> label_set::set(std::string_view key, std::string_view value) {
  if (auto ok = check_label(key, value); !ok)
    return ok;
  auto at = std::ranges::lower_bound(labels_, key, {}, &value_type::first);
  auto found = at != labels_.end() && at->first == key;
  if (!found && labels_.size() == max_labels)
    return fail(errc::invalid_argument, fmt::format("label '{}' is one more than the {} allowed", key, max_labels));
  auto replaced = found ? encoded_size(at->first, at->second) : 0;
  auto total = encoded_bytes() - replaced + encoded_size(key, value);
  if (total > max_encoded_bytes)
    return fail(errc::invalid_argument,
      fmt::format("with label '{}' the labels have {} bytes, may have {}", key, total, max_encoded_bytes));
  if (found)
    at->second = value;
  else
    labels_.emplace(at, key, value);
  return {};
}

const std::string* label_set::find(std::string_view key) const noexcept {
  auto at = std::ranges::lower_bound(labels_, key, {}, &value_type::first);
  return at != labels_.end() && at->first == key ? &at->second : nullptr;
}

std::size_t label_set::encoded_bytes() const noexcept {
  std::size_t total = 0;
  for (const auto& [key, value] : labels_)
    total += encoded_size(key, value);
  return total;
}

bool label_set::assign(const std::vector<value_type>& labels) {
  labels_.clear();
  return std::ranges::all_of(labels, [this](const auto& label) { return set(label.first, label.second).has_value(); });
}

std::string to_string(const label_set& labels) {
  std::string result = "{";
  for (const auto& [key, value] : labels)
    result += fmt::format("{}{}={:?}", result.size() > 1 ? ", " : "", key, value);
  return result + "}";
}

bool is_utf8(std::string_view text) noexcept {
  using utf8 = boost::locale::utf::utf_traits<char>;
  for (auto at = text.begin(); at != text.end();)
    if (!boost::locale::utf::is_valid_codepoint(utf8::decode(at, text.end())))
      return false;
  return true;
}

} // namespace sluice

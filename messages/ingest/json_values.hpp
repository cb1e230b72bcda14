#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

namespace detail {

inline constexpr std::string_view json_space = " \t\r\n";

/// `text` from its first byte that is no white space.
std::string_view skip_json_space(std::string_view text) noexcept;

/// Size of the string in quotes at the front, with them; npos if it has no end. A backslash hides what follows.
std::size_t quoted_bytes(std::string_view text) noexcept;

/// The value at the front of `text`, as far as quotes and brackets tell; the whole if it has no end. Whether it is JSON
/// is for a parser to say.
std::string_view front_json_value(std::string_view text) noexcept;

} // namespace detail

/// Calls `take(value)` with the text of each value in a row of JSON values; of an array, with each of its elements.
/// Stops where there is something else, or `take` returns false. Returns what is left then.
template <class Take>
std::string_view for_each_json_value(std::string_view text, Take take) {
  auto next = [&take](std::string_view& from) {
    auto value = detail::front_json_value(from);
    if (value.empty() || !take(value))
      return false;
    from = detail::skip_json_space(from.substr(value.size()));
    return true;
  };
  for (text = detail::skip_json_space(text); !text.empty();) {
    if (text.front() != '[') {
      if (!next(text))
        return text;
      continue;
    }
    auto rest = detail::skip_json_space(text.substr(1));
    while (!rest.starts_with(']')) {
      if (!next(rest) || !(rest.starts_with(',') || rest.starts_with(']')))
        return rest.empty() ? text : rest;
      if (rest.starts_with(',')) {
        auto element = detail::skip_json_space(rest.substr(1));
        if (element.empty() || element.starts_with(']'))
          return rest;
        rest = element;
      }
    }
    text = detail::skip_json_space(rest.substr(1));
  }
  return text;
}

} // namespace sluice

#pragma once

#include <string_view>

#include "messages/record_codec.hpp"

/// What the readers of a record's attributes share.

namespace sluice {

using attribute_list = decltype(record_view::attributes);

/// What became of a text that was to be made attributes of.
enum class attribute_outcome {
  parsed,
  unparsed,
  too_large, ///< The attributes would break the bounds of a record.
};

/// Whether the attribute is within its bounds.
bool fits(std::string_view key, std::string_view value) noexcept;

/// Gives the attribute `key` this value; adds it if there is none. False, changing nothing, if that breaks a bound.
bool set_attribute(attribute_list& of, std::string_view key, std::string_view value);

/// The value of `key`, or nullptr.
template <class List>
auto find_attribute(List& in, std::string_view key) noexcept -> decltype(&in.front().second) {
  for (auto& [name, value] : in)
    if (name == key)
      return &value;
  return nullptr;
}

} // namespace sluice

#include "messages/ingest/json_texts.hpp"

#include <array>
#include <iterator>

#include <fmt/format.h>

namespace sluice {

std::string_view json_texts::of(const boost::json::value& value) {
  if (auto* text = value.if_string())
    return {text->data(), text->size()};
  if (auto* number = value.if_double()) { // in the form that a person would write
    text_.clear();
    fmt::format_to(std::back_inserter(text_), "{}", *number);
    return arena_.keep({text_});
  }
  std::array<char, 1024> piece;
  text_.clear();
  serializer_.reset(&value);
  while (!serializer_.done()) {
    auto made = serializer_.read(piece.data(), piece.size());
    text_.append(made.data(), made.size());
  }
  return arena_.keep({text_});
}

} // namespace sluice

#include "actors/text/json_text.hpp"

#include <fmt/format.h>

namespace sluice {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char c) {
  switch (c) {
  case '"':
    out += "\\\"";
    break;
  case '\\':
    out += "\\\\";
    break;
  case '\n':
    out += "\\n";
    break;
  case '\r':
    out += "\\r";
    break;
  case '\t':
    out += "\\t";
    break;
  default:
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

/// The bytes a character of more than one byte has by its first, and the bounds of its second (RFC 3629 section 4).
struct lead {
  std::size_t bytes = 0;
  unsigned char least = 0x80;
  unsigned char greatest = 0xBF;
};

lead lead_of(unsigned char first) {
  if (first >= 0xC2 && first <= 0xDF)
    return {2};
  if (first >= 0xE0 && first <= 0xEF)
    return {3, static_cast<unsigned char>(first == 0xE0 ? 0xA0 : 0x80),
      static_cast<unsigned char>(first == 0xED ? 0x9F : 0xBF)};
  if (first >= 0xF0 && first <= 0xF4)
    return {4, static_cast<unsigned char>(first == 0xF0 ? 0x90 : 0x80),
      static_cast<unsigned char>(first == 0xF4 ? 0x8F : 0xBF)};
  return {};
}

/// Appends the character at the front of `text`, or U+FFFD; returns how many bytes that covers.
std::size_t append_character(std::string& out, std::string_view text) {
  auto expected = lead_of(static_cast<unsigned char>(text[0]));
  std::size_t good = 1;
  while (good < expected.bytes && good < text.size()) {
    auto next = static_cast<unsigned char>(text[good]);
    if (next < expected.least || next > expected.greatest)
      break;
    expected.least = 0x80;
    expected.greatest = 0xBF;
    ++good;
  }
  out += good == expected.bytes ? text.substr(0, good) : replacement;
  return good;
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(static_cast<unsigned char>(text[plain])))
      ++plain;
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty())
      break;
    std::size_t taken = 1;
    if (static_cast<unsigned char>(text[0]) < 0x80)
      append_escaped(out, text[0]);
    else
      taken = append_character(out, text);
    text.remove_prefix(taken);
  }
  out += '"';
}

} // namespace sluice

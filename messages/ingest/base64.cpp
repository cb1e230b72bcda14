#include "messages/ingest/base64.hpp"

#include <cstdint>

namespace sluice {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view hex_digits = "0123456789abcdef";

std::optional<std::uint32_t> value_of(char c) {
  c = c == '-' ? '+' : c == '_' ? '/' : c;
  auto at = alphabet.find(c);
  return at == alphabet.npos ? std::nullopt : std::optional{static_cast<std::uint32_t>(at)};
}

std::optional<std::uint32_t> hex_value_of(char c) {
  auto at = hex_digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c);
  return at == hex_digits.npos ? std::nullopt : std::optional{static_cast<std::uint32_t>(at)};
}

} // namespace

std::string base64_encode(std::string_view bytes) {
  std::string made;
  std::uint32_t bits = 0;
  int held = 0;
  for (auto byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    for (held += 8; held >= 6; held -= 6)
      made += alphabet[bits >> (held - 6) & 63];
  }
  if (held > 0)
    made += alphabet[bits << (6 - held) & 63];
  made.append((4 - made.size() % 4) % 4, '=');
  return made;
}

std::optional<std::string> base64_decode(std::string_view text) {
  auto end = text.find_last_not_of('=');
  text = text.substr(0, end == text.npos ? 0 : end + 1);
  if (text.size() % 4 == 1)
    return std::nullopt;
  std::string made;
  std::uint32_t bits = 0;
  int held = 0;
  for (auto c : text) {
    auto value = value_of(c);
    if (!value)
      return std::nullopt;
    bits = bits << 6 | *value;
    if ((held += 6) >= 8)
      made.push_back(static_cast<char>(bits >> (held -= 8)));
  }
  return made;
}

std::string hex_encode(std::string_view bytes) {
  std::string made;
  for (auto byte : bytes) {
    made += hex_digits[static_cast<unsigned char>(byte) >> 4];
    made += hex_digits[byte & 15];
  }
  return made;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0)
    return std::nullopt;
  std::string made;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    auto high = hex_value_of(text[i]), low = hex_value_of(text[i + 1]);
    if (!high || !low)
      return std::nullopt;
    made.push_back(static_cast<char>(*high << 4 | *low));
  }
  return made;
}

} // namespace sluice

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice {

/// RFC 4648 section 4, with padding.
std::string base64_encode(std::string_view bytes);

/// With or without padding, also in the alphabet of section 5.
std::optional<std::string> base64_decode(std::string_view text);

/// Two lower-case digits a byte.
std::string hex_encode(std::string_view bytes);

/// Digits in any case.
std::optional<std::string> hex_decode(std::string_view text);

} // namespace sluice

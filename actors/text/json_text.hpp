#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// Appends `text` as a JSON string (RFC 8259); whatever is not UTF-8 becomes U+FFFD, once per maximal part as Unicode
/// recommends (chapter 3.9).
void append_json_string(std::string& out, std::string_view text);

} // namespace sluice

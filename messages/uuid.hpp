#pragma once

#include <optional>
#include <string_view>

#include "messages/stream.hpp"

namespace sluice {

/// A random UUID (RFC 4122 section 4.4), another one with each call. Thread-safe.
id128 make_uuid();

/// What `to_string` has made of an id; nothing if it is no UUID.
std::optional<id128> parse_uuid(std::string_view text);

} // namespace sluice

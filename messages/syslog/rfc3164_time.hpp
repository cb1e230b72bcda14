#pragma once

#include <optional>
#include <string_view>

#include "messages/stream.hpp"
#include "messages/syslog/local_zone.hpp"

namespace sluice {

/// The timestamp at the front of what follows the PRI of a message (docs/specs/syslog.md, "Record"; RFC 3164 section
/// 4.1.2 and its examples), and the space behind it. Takes nothing if there is none.
std::optional<timestamp> take_rfc3164_time(std::string_view& text, timestamp received_at, local_zone& zone);

} // namespace sluice

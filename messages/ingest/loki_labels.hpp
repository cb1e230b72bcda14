#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "messages/errc.hpp"

namespace sluice {

using loki_labels = std::vector<std::pair<std::string, std::string>>;

/// Reads `{name="value", …}`, with values quoted as Go's `strconv.Quote` does. Errors: malformed.
expected<loki_labels> parse_loki_labels(std::string_view text);

} // namespace sluice

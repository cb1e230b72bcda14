#pragma once

namespace sluice {

/// What the lines of a peer are (docs/specs/lines.md).
enum class line_form { text, json };

} // namespace sluice

#pragma once

#include <string>
#include <string_view>

namespace sluice {

/// Whether a file of this name can be what became of one called `base` when it was rotated: `app.log.1`,
/// `app.log-20240131`, `app.log.old`. It cannot if it is compressed.
bool is_rotated_name(std::string_view name, std::string_view base);

/// By its ending.
bool is_compressed_name(std::string_view name);

/// Whether a path matches a shell pattern, as glob(3) has it, or is the same.
bool matches_pattern(const std::string& path, const std::string& pattern);

bool is_pattern(std::string_view text);

} // namespace sluice

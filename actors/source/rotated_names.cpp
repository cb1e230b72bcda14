#include "actors/source/rotated_names.hpp"

#include <algorithm>
#include <array>

#include <fnmatch.h>

namespace sluice {

namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view separators = ".-_~";

} // namespace

bool is_rotated_name(std::string_view name, std::string_view base) {
  if (name.size() <= base.size() + 1 || !name.starts_with(base) || is_compressed_name(name))
    return false;
  auto rest = name.substr(base.size());
  if (separators.find(rest.front()) == std::string_view::npos)
    return false;
  rest.remove_prefix(1);
  constexpr std::array<std::string_view, 5> words{"old", "bak", "prev", "orig", "rotated"};
  return digits.find(rest.front()) != std::string_view::npos ||
         std::ranges::any_of(words, [rest](std::string_view word) { return rest.starts_with(word); });
}

bool is_compressed_name(std::string_view name) {
  constexpr std::array<std::string_view, 7> endings{".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"};
  return std::ranges::any_of(endings, [name](std::string_view ending) { return name.ends_with(ending); });
}

bool matches_pattern(const std::string& path, const std::string& pattern) {
  return path == pattern || ::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0;
}

bool is_pattern(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

} // namespace sluice

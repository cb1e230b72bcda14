#include "actors/source/sibling_files.hpp"

#include <algorithm>

#include "actors/source/rotated_names.hpp"

namespace sluice {

namespace {

using sighting = sibling_files::sighting;

std::optional<sighting> youngest(
  const std::vector<sighting>& among, const std::function<bool(const sighting&)>& is_so) {
  std::optional<sighting> best;
  for (auto& x : among)
    if ((!best || x.info.birth > best->info.birth) && is_so(x))
      best = x;
  return best;
}

} // namespace

std::vector<sighting> sibling_files::rotated(const std::filesystem::path& path) {
  auto name = path.filename().string();
  return beside(path, name, [&](std::string_view other) { return is_rotated_name(other, name); });
}

std::optional<sighting> sibling_files::find(
  const std::filesystem::path& path, const std::function<bool(const sighting&)>& is_so) {
  if (auto found = youngest(rotated(path), is_so))
    return found;
  auto name = path.filename().string();
  auto others = beside(path, name.substr(0, name.find('.', 1)),
    [&](std::string_view other) { return !is_rotated_name(other, name) && !is_compressed_name(other); });
  return youngest(others, is_so);
}

std::vector<sighting> sibling_files::beside(
  const std::filesystem::path& path, std::string_view prefix, const std::function<bool(std::string_view)>& is_wanted) {
  auto folder = path.parent_path();
  auto name = path.filename();
  auto& names = names_in(folder);
  std::vector<sighting> result;
  for (auto at = std::ranges::lower_bound(names, prefix); at != names.end() && at->starts_with(prefix); ++at) {
    if (*at == name || !is_wanted(*at))
      continue;
    if (auto info = files_.info(folder / *at); info && info->regular)
      result.push_back({folder / *at, *info});
  }
  return result;
}

const std::vector<std::string>& sibling_files::names_in(const std::filesystem::path& folder) {
  auto [at, is_new] = folders_.try_emplace(folder);
  if (is_new)
    at->second = files_.list(folder).value_or(std::vector<std::string>{});
  return at->second;
}

} // namespace sluice

#include "actors/source/sibling_files.hpp"

#include <algorithm>
#include <iterator>

#include "actors/source/file_identity.hpp"
#include "actors/source/rotated_names.hpp"

namespace sluice {

namespace {

using sighting = sibling_files::sighting;

/// While names shift.
constexpr int max_looks = 8;

std::optional<sighting> youngest(
  const std::vector<sighting>& among, const std::function<bool(const sighting&)>& is_so) {
  std::optional<sighting> best;
  for (auto& x : among)
    if ((!best || x.info.birth > best->info.birth) && is_so(x))
      best = x;
  return best;
}

bool are_same(const std::vector<sighting>& some, const std::vector<sighting>& others) {
  return std::ranges::equal(some, others, [](const sighting& x, const sighting& y) {
    return x.where == y.where && identity_of(x.info) == identity_of(y.info);
  });
}

} // namespace

std::vector<sighting> sibling_files::rotated(const std::filesystem::path& path) {
  auto name = path.filename().string();
  return beside(path, name, [&](std::string_view other) { return is_rotated_name(other, name); });
}

std::vector<sighting> sibling_files::rotated_at_once(const std::filesystem::path& path) {
  auto seen = rotated(path);
  for (auto i = 0; i < max_looks; ++i) {
    folders_.erase(path.parent_path());
    auto again = rotated(path);
    if (are_same(again, seen))
      break;
    seen = std::move(again);
  }
  return seen;
}

std::optional<sighting> sibling_files::find(
  const std::filesystem::path& path, const std::function<bool(const sighting&)>& is_so) {
  std::vector<sighting> before;
  for (auto i = 0; i < max_looks; ++i) {
    auto seen = rotated(path);
    if (auto found = youngest(seen, is_so))
      return found;
    auto further = others(path);
    if (auto found = youngest(further, is_so))
      return found;
    std::ranges::move(further, std::back_inserter(seen));
    if (i > 0 && are_same(seen, before))
      break;
    before = std::move(seen);
    folders_.erase(path.parent_path());
  }
  return std::nullopt;
}

std::vector<sighting> sibling_files::others(const std::filesystem::path& path) {
  auto name = path.filename().string();
  return beside(path, name.substr(0, name.find('.', 1)),
    [&](std::string_view other) { return !is_rotated_name(other, name) && !is_compressed_name(other); });
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

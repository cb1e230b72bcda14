#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transport/file_system.hpp"

namespace sluice {

/// What lies in a folder beside a file and has a similar name: regular files, not compressed; nothing if the folder
/// cannot be read. Lists each folder once until it is told to forget, or names are seen to shift (`app.log.1` becomes
/// `app.log.2`): a look that they have shifted under may have missed files that were there all the time. Not
/// thread-safe; calls block.
class sibling_files {
public:
  struct sighting {
    std::filesystem::path where;
    file_info info;
  };

  explicit sibling_files(file_system& files) : files_(files) {}

  /// What `path` may have become when it was rotated (rotated_names.hpp).
  std::vector<sighting> rotated(const std::filesystem::path& path);

  /// The same, as it was at one moment: looks again until nothing has moved meanwhile, a few times.
  std::vector<sighting> rotated_at_once(const std::filesystem::path& path);

  /// The youngest file that is so, of all that may have to do with `path`: their names begin as its own does up to the
  /// first point. Looks at rotated ones first. Nothing only if there was none at one moment.
  std::optional<sighting> find(const std::filesystem::path& path, const std::function<bool(const sighting&)>& is_so);

  void forget() { folders_.clear(); }

private:
  std::vector<sighting> others(const std::filesystem::path& path);
  std::vector<sighting> beside(
    const std::filesystem::path& path, std::string_view prefix, const std::function<bool(std::string_view)>& is_wanted);
  const std::vector<std::string>& names_in(const std::filesystem::path& folder);

  file_system& files_;
  std::map<std::filesystem::path, std::vector<std::string>> folders_; ///< Sorted.
};

} // namespace sluice

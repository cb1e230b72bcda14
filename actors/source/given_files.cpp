#include <utility>

#include <fmt/format.h>

#include "actors/source/file_discovery.hpp"

namespace sluice {

expected<findings> file_discovery::identify(const std::vector<std::string>& given) {
  given_.insert(given_.end(), given.begin(), given.end());
  if (auto loaded = registry_->load(); !loaded)
    return fail(std::move(loaded.error()));
  return noted(std::exchange(kept_, {}));
}

void file_discovery::identify_given(findings& found) {
  for (auto& x : std::exchange(given_, {}))
    if (auto identified = identify(x))
      found.files.push_back(std::move(*identified));
    else
      found.problems.push_back(std::move(identified.error()));
}

expected<findings> file_discovery::identify_truncated(const std::string& given, const file_identity& which) {
  registry_->mark(which, known_file::state::cut);
  return identify(std::vector{given});
}

expected<found_file> file_discovery::identify(const std::string& given) {
  auto opened = files_.open(given, open_mode::read);
  if (!opened)
    return fail(std::move(opened.error()));
  auto info = (*opened)->info();
  if (!info)
    return fail(std::move(info.error()));
  if (!info->regular)
    return fail(errc::not_rereadable, fmt::format("{}: is a file no more; start again to read it as a pipe", given));
  auto entry = registry_->identify(**opened);
  if (!entry)
    return fail(std::move(entry.error()));
  found_file made;
  made.path = given;
  made.location = given;
  made.is_followed = false;
  made.size = info->size;
  made.which = (*entry)->first;
  made.key = (*entry)->second.key;
  made.head = (*entry)->second.head;
  return made;
}

} // namespace sluice

#include "actors/source/file_discovery.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/source/rotated_names.hpp"

namespace sluice {

namespace {

/// Earlier than any file's birth.
constexpr auto before_all = std::numeric_limits<std::int64_t>::min();

/// Nothing if it cannot be opened, because it has just gone, say.
std::vector<std::byte> beginning_of(file_system& files, const std::filesystem::path& where) {
  auto opened = files.open(where, open_mode::read);
  return opened ? read_beginning(**opened).value_or(std::vector<std::byte>{}) : std::vector<std::byte>{};
}

} // namespace

expected<findings> file_discovery::look(const news& since) {
  if (auto loaded = registry_->load(); !loaded)
    return fail(std::move(loaded.error()));
  siblings_.forget();
  may_open_ = since.max_opened;
  // What a file holds may be another stream by now.
  auto is_still = [this](const auto& x) {
    auto* known = registry_->find(x.which);
    return known && known->key == x.key && known->now == known_file::state::open;
  };
  for (auto& x : since.heads)
    if (is_still(x))
      registry_->set_head(x.which, x.head);
  for (auto& x : since.finished)
    if (is_still(x)) {
      registry_->mark(x.which, known_file::state::finished);
      in_use_.erase(x.which);
    }
  auto found = std::exchange(kept_, {});
  auto everywhere = !has_looked_ || since.changed.contains({});
  if (!std::exchange(has_looked_, true))
    history_ = registry_->unfinished();
  for (auto& pattern : patterns_)
    found.folders.insert(std::filesystem::path{pattern}.parent_path());
  std::set<std::string> seen;
  for (auto& path : candidates(since.changed)) {
    found.folders.insert(std::filesystem::path{path}.parent_path());
    auto info = files_.info(path);
    if (info && info->regular) {
      seen.insert(path);
      see({path, *info}, found);
    } else if (!everywhere || history_.contains(path)) {
      see_nothing(path, found);
    }
    if (!info && info.error().code != errc::not_found)
      complain(path, std::move(info.error()), found);
  }
  if (everywhere) {
    std::vector<std::string> missing;
    for (auto& [path, x] : paths_)
      if (!seen.contains(path))
        missing.push_back(path);
    for (auto& path : missing)
      see_nothing(path, found);
  }
  return noted(std::move(found));
}

/// What is not noted must not be read: it could not be told after a restart.
expected<findings> file_discovery::noted(findings found) {
  add_newcomers(found);
  if (auto flushed = registry_->flush(); !flushed) {
    kept_ = std::move(found);
    return fail(std::move(flushed.error()));
  }
  return found;
}

/// The paths to look at, those with a history first: what was followed there is not to be taken for something else.
std::vector<std::string> file_discovery::candidates(const std::set<std::filesystem::path>& changed) {
  auto is_wanted = [this](const std::string& path) {
    return std::ranges::any_of(patterns_, [&](const std::string& x) { return matches_pattern(path, x); });
  };
  std::set<std::string> paths;
  if (changed.contains({})) {
    for (auto& pattern : patterns_) {
      if (!is_pattern(pattern) || files_.info(pattern)) {
        paths.insert(pattern);
        continue;
      }
      auto matches = files_.glob(pattern);
      if (matches)
        for (auto& path : *matches)
          if (!is_compressed_name(path.native()))
            paths.insert(path.string());
    }
  } else {
    for (auto& path : changed)
      if (paths_.contains(path.string()) || (is_wanted(path.string()) && !is_compressed_name(path.native())))
        paths.insert(path.string());
  }
  std::vector<std::string> ordered;
  for (auto& [path, files] : history_)
    if (is_wanted(path) || paths.contains(path))
      ordered.push_back(path);
  for (auto& path : paths)
    if (!history_.contains(path))
      ordered.push_back(path);
  return ordered;
}

void file_discovery::see(const sighting& seen, findings& found) {
  auto path = seen.where.string();
  auto which = identity_of(seen.info);
  if (auto known = paths_.find(path); known != paths_.end() && known->second.which == which) {
    auto has_changed = std::exchange(known->second.size, seen.info.size) != seen.info.size;
    if (!has_changed)
      return;
    if (!known->second.is_passed_over) {
      found.changes.push_back({registry_->find(which)->key, seen.info.size, false, path});
      return;
    }
  }
  if (auto known = paths_.find(path); known != paths_.end() && known->second.which != which)
    leave(path, found);
  if (seen.info.size == 0 && !history_.contains(path)) {
    if (!registry_->newest_at(path))
      find_rotated(path, found);
    return;
  }
  if (!history_.contains(path) && need_not_be_read(seen)) {
    paths_[path] = {which, seen.info.size, true};
    return;
  }
  arrive(path, &seen, found);
}

void file_discovery::see_nothing(const std::string& path, findings& found) {
  if (history_.contains(path))
    arrive(path, nullptr, found);
  else if (paths_.contains(path))
    leave(path, found);
}

/// The path leads to the file no more.
void file_discovery::leave(const std::string& path, findings& found) {
  auto gone = paths_.extract(path).mapped();
  if (gone.is_passed_over || !in_use_.contains(gone.which))
    return;
  file_change change{registry_->find(gone.which)->key, gone.size, true, {}};
  if (auto moved = siblings_.find(path, [&](const sighting& x) { return identity_of(x.info) == gone.which; })) {
    change.size = moved->info.size;
    change.location = moved->where;
  }
  found.changes.push_back(std::move(change));
}

/// Whether what is at a new path is read under another one, or was.
bool file_discovery::need_not_be_read(const sighting& seen) {
  auto which = identity_of(seen.info);
  if (in_use_.contains(which))
    return true;
  auto path = seen.where.string();
  auto* base = base_of(path);
  if (!base)
    return false;
  auto* known = registry_->find(which);
  auto is_finished = known && known->now == known_file::state::finished && known->path == *base;
  return (is_finished && !paths_.contains(path)) || is_copy(seen, *base);
}

/// The followed path of which this one is a rotated name.
const std::string* file_discovery::base_of(const std::string& path) const {
  for (auto length = path.find_last_of(".-_~"); length != std::string::npos && length > 0;
       length = path.find_last_of(".-_~", length - 1)) {
    auto base = paths_.find(path.substr(0, length));
    if (base != paths_.end() && is_rotated_name(path, base->first))
      return &base->first;
  }
  return nullptr;
}

/// Whether it is what a copy of the file at `base` may be, or of what that was when it was last looked at: nothing else
/// is in it, as far as beginnings tell.
bool file_discovery::is_copy(const sighting& seen, const std::string& base) {
  auto beginning = beginning_of(files_, seen.where);
  auto original = beginning_of(files_, base);
  auto is_part = !beginning.empty() && beginning.size() <= original.size() &&
                 std::equal(beginning.begin(), beginning.end(), original.begin());
  if (is_part)
    return true;
  auto known = paths_.find(base);
  auto* entry = known == paths_.end() ? nullptr : registry_->find(known->second.which);
  return entry && entry->head.bytes > 0 && entry->head.is_head_of(beginning);
}

/// Something is at `path` that was not there before, or the path has a history.
void file_discovery::arrive(const std::string& path, const sighting* seen, findings& found) {
  bring_back(path, seen, found);
  find_rotated(path, found);
  if (!seen || seen->info.size == 0)
    return;
  findings newcomer;
  add(path, *seen, false, newcomer);
  std::ranges::move(newcomer.files, std::back_inserter(newcomers_));
  std::ranges::move(newcomer.problems, std::back_inserter(found.problems));
}

/// While what is at a path now was looked at, what was there before may have been rotated again; it comes first.
void file_discovery::add_newcomers(findings& found) {
  siblings_.forget();
  for (auto& x : std::exchange(newcomers_, {})) {
    find_rotated(x.path, found);
    found.files.push_back(std::move(x));
  }
}

/// What was rotated since something new was last found at `path`, and has not been seen there. What is empty yet may be
/// filled and rotated before it is looked at again, and is not taken for seen.
void file_discovery::find_rotated(const std::string& path, findings& found) {
  auto rotated = siblings_.rotated(path);
  std::ranges::sort(rotated, {}, [](const sighting& x) { return x.info.birth; });
  auto newest = registry_->newest_at(path);
  auto latest = newest.value_or(before_all);
  auto oldest_empty = std::numeric_limits<std::int64_t>::max();
  for (auto& x : rotated) {
    auto which = identity_of(x.info);
    auto is_younger = newest && which.birth > *newest;
    if (is_younger && x.info.size == 0)
      oldest_empty = std::min(oldest_empty, which.birth);
    else
      latest = std::max(latest, which.birth);
    if (is_younger && x.info.size > 0 && !registry_->find(which) && !is_copy(x, path))
      add(path, x, true, found);
  }
  // What has come to the path since it was looked at is not seen either.
  if (auto info = files_.info(path); info && info->size > 0 && registry_->find(identity_of(*info)))
    latest = std::max(latest, identity_of(*info).birth);
  registry_->set_newest(path, std::min(latest, oldest_empty - 1));
}

/// What was followed at `path` in an earlier run and is not finished, wherever it is now. What is still at the path was
/// written last.
void file_discovery::bring_back(const std::string& path, const sighting* seen, findings& found) {
  auto taken = history_.extract(path);
  if (taken.empty())
    return;
  auto is_here = [&](const file_identity& which) { return seen && identity_of(seen->info) == which; };
  auto& ordered = taken.mapped();
  if (auto last = std::ranges::find_if(ordered, is_here); last != ordered.end())
    std::rotate(last, last + 1, ordered.end());
  for (auto& which : ordered)
    place(path, which, seen, found);
}

void file_discovery::place(const std::string& path, const file_identity& which, const sighting* seen, findings& found) {
  auto known = *registry_->find(which);
  auto is_here = seen && identity_of(seen->info) == which;
  if (is_here && known.head.is_head_of(beginning_of(files_, path)))
    return; // found last of all
  auto is_it = [&](const sighting& x) {
    return identity_of(x.info) == which && known.head.is_head_of(beginning_of(files_, x.where));
  };
  if (auto moved = siblings_.find(path, is_it))
    return add(path, *moved, true, found);
  if (auto copy = find_copy(path, known.head)) {
    registry_->move(which, identity_of(copy->info));
    add(path, *copy, true, found);
  } else {
    complain(path,
      {errc::not_found, fmt::format("{}: {} while it was not watched; what was not shipped of it by then is lost", path,
                          is_here ? "was truncated" : "has gone")},
      found);
  }
  registry_->mark(which, is_here ? known_file::state::cut : known_file::state::finished);
}

/// A file beside `path` that begins with `head` and is none that is known.
std::optional<sibling_files::sighting> file_discovery::find_copy(const std::string& path, const file_head& head) {
  if (head.bytes == 0)
    return std::nullopt;
  return siblings_.find(path, [&](const sighting& x) {
    return !registry_->find(identity_of(x.info)) && head.is_head_of(beginning_of(files_, x.where));
  });
}

void file_discovery::add(const std::string& path, const sighting& seen, bool is_away, findings& found) {
  auto opened = files_.open(seen.where, open_mode::read);
  if (!opened && opened.error().code == errc::not_found)
    return;
  if (!opened)
    return complain(path, std::move(opened.error()), found);
  auto entry = registry_->identify(**opened, path);
  if (!entry)
    return complain(path, std::move(entry.error()), found);
  auto& [which, known] = **entry;
  if (!is_away)
    paths_[path] = {which, seen.info.size};
  if (!in_use_.insert(which).second)
    return;
  complaints_.erase(path);
  found_file made;
  made.path = path;
  made.location = seen.where;
  made.key = known.key;
  made.which = which;
  made.head = known.head;
  made.size = seen.info.size;
  made.is_away = is_away;
  if (may_open_ > 0) {
    --may_open_;
    made.opened = std::move(*opened);
  }
  found.files.push_back(std::move(made));
}

void file_discovery::complain(const std::string& path, error reason, findings& found) {
  auto& last = complaints_[path];
  if (std::exchange(last, reason.message) != reason.message)
    found.problems.push_back(std::move(reason));
}

expected<findings> file_discovery::look_at_truncated(const progress& x) {
  siblings_.forget();
  auto found = std::exchange(kept_, {});
  auto* known = registry_->find(x.which);
  auto is_known_already = !known || known->key != x.key || known->now == known_file::state::cut;
  if (is_known_already)
    return noted(std::move(found));
  registry_->set_head(x.which, x.head);
  if (auto copy = find_copy(x.path, x.head)) {
    auto its_identity = identity_of(copy->info);
    registry_->move(x.which, its_identity);
    if (copy->info.size >= x.position || copy->info.size > x.acked)
      add(x.path, *copy, true, found);
    else // it was made before the last that was read was written
      registry_->mark(its_identity, known_file::state::finished);
  }
  registry_->mark(x.which, known_file::state::cut);
  in_use_.erase(x.which);
  auto at = paths_.find(x.path);
  if (at != paths_.end() && at->second.which == x.which) {
    paths_.erase(at);
    if (auto info = files_.info(x.path); info && info->regular)
      see({x.path, *info}, found);
  }
  return noted(std::move(found));
}

std::optional<std::filesystem::path> file_discovery::find(const std::string& path, const file_identity& which) {
  constexpr int attempts = 3; // it may be renamed while the folder is looked through
  for (auto i = 0; i < attempts; ++i) {
    siblings_.forget();
    if (auto found = siblings_.find(path, [&](const sighting& x) { return identity_of(x.info) == which; }))
      return found->where;
  }
  return std::nullopt;
}

expected<findings> file_discovery::identify(const std::vector<std::string>& given) {
  if (auto loaded = registry_->load(); !loaded)
    return fail(std::move(loaded.error()));
  findings found;
  for (auto& x : given)
    if (auto identified = identify(x))
      found.files.push_back(std::move(*identified));
    else
      found.problems.push_back(std::move(identified.error()));
  return noted(std::move(found));
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

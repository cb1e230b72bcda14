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

/// Of looking for files whose names shift meanwhile.
constexpr int max_attempts = 4;

} // namespace

expected<findings> file_discovery::look(const news& since) {
  if (auto loaded = registry_->load(); !loaded)
    return fail(std::move(loaded.error()));
  siblings_.forget();
  may_open_ = since.max_opened;
  for (auto& x : since.finished)
    if (is_still(x.which, x.key)) {
      registry_->mark(x.which, known_file::state::finished);
      in_use_.erase(x.which);
    }
  auto found = std::exchange(kept_, {});
  auto everywhere = !has_looked_ || since.changed.contains({});
  if (!std::exchange(has_looked_, true))
    begin();
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
    std::ranges::set_difference(searched_, seen, std::back_inserter(missing));
    for (auto& path : missing)
      see_nothing(path, found);
  }
  return noted(std::move(found));
}

expected<void> file_discovery::note_head(const file_identity& which, const id128& key, const file_head& head) {
  if (!is_still(which, key))
    return {};
  registry_->set_head(which, head);
  return registry_->flush();
}

/// What a file holds may be another stream by now.
bool file_discovery::is_still(const file_identity& which, const id128& key) const {
  auto* known = registry_->find(which);
  return known && known->key == key && known->now == known_file::state::open;
}

void file_discovery::begin() {
  history_ = registry_->unfinished();
  for (auto& path : registry_->paths())
    if (is_wanted(path))
      searched_.insert(path);
}

/// What is not noted must not be read: it could not be told after a restart.
expected<findings> file_discovery::noted(findings found) {
  add_newcomers(found);
  identify_given(found);
  if (auto flushed = registry_->flush(); !flushed) {
    kept_ = std::move(found);
    return fail(std::move(flushed.error()));
  }
  return found;
}

bool file_discovery::is_wanted(const std::string& path) const {
  return std::ranges::any_of(patterns_, [&](const std::string& x) { return matches_pattern(path, x); });
}

/// The paths to look at, those with a history first: what was followed there is not to be taken for something else.
std::vector<std::string> file_discovery::candidates(const std::set<std::filesystem::path>& changed) {
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
  if (seen.info.size == 0 && !history_.contains(path))
    return find_rotated(path, found);
  if (!history_.contains(path) && need_not_be_read(seen)) {
    paths_[path] = {which, seen.info.size, true};
    return;
  }
  arrive(path, &seen, found);
}

void file_discovery::see_nothing(const std::string& path, findings& found) {
  if (history_.contains(path))
    return arrive(path, nullptr, found);
  if (paths_.contains(path))
    leave(path, found);
  if (searched_.contains(path))
    find_rotated(path, found);
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
  auto is_kept = [&](const found_file& x) { return x.which == gone.which && x.key == change.key; };
  if (auto kept = std::ranges::find_if(found.files, is_kept); kept != found.files.end()) {
    kept->is_away = true;
    kept->location = change.location.empty() ? kept->location : change.location;
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
  auto beginning = beginning_of(seen).value_or(std::vector<std::byte>{});
  auto opened = files_.open(base, open_mode::read);
  auto original = opened ? read_beginning(**opened).value_or(std::vector<std::byte>{}) : std::vector<std::byte>{};
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
  auto* known = seen ? registry_->find(identity_of(seen->info)) : nullptr;
  auto goes_on = known && known->now == known_file::state::open && known->path == path;
  if (!goes_on) // otherwise what is younger was written after it
    find_rotated(path, found);
  if (!seen || seen->info.size == 0)
    return;
  findings newcomer;
  if (add(path, *seen, false, newcomer) != added::yes && goes_on)
    history_[path].push_back(identity_of(seen->info));
  std::ranges::move(newcomer.files, std::back_inserter(newcomers_));
  std::ranges::move(newcomer.problems, std::back_inserter(found.problems));
}

/// While what is at a path now was looked at, what was there before may have been rotated again; it comes first. Where
/// copies are younger than the file itself, that was truncated, and what is in it now is younger than they are.
void file_discovery::add_newcomers(findings& found) {
  siblings_.forget();
  for (auto& x : std::exchange(newcomers_, {})) {
    auto newest = registry_->newest_at(x.path);
    auto was_truncated = newest && *newest > x.which.birth;
    find_rotated(x.path, found, was_truncated ? after_all : x.which.birth);
    found.files.push_back(std::move(x));
  }
}

/// What was rotated since something new was last found at `path`, and has not been seen there; only what was born
/// before `end`.
void file_discovery::find_rotated(const std::string& path, findings& found, std::int64_t end) {
  searched_.insert(path);
  for (auto i = 0; i < max_attempts && !search(path, found, end); ++i)
    siblings_.forget();
}

/// Returns false if names have shifted meanwhile. What is empty yet may be filled and rotated before it is looked at
/// again, and is not taken for seen; nor is a copy of what has not been found yet, which may be all that is left of it.
bool file_discovery::search(const std::string& path, findings& found, std::int64_t end) {
  auto newest = registry_->newest_at(path);
  auto is_younger = [&](const sighting& x) { return newest && identity_of(x.info).birth > *newest; };
  auto rotated = siblings_.rotated(path);
  if (std::ranges::any_of(rotated, is_younger))
    rotated = siblings_.rotated_at_once(path);
  std::ranges::sort(rotated, {}, [](const sighting& x) { return x.info.birth; });
  auto original = files_.info(path);
  auto is_found = original && in_use_.contains(identity_of(*original));
  auto latest = newest.value_or(before_all);
  auto oldest_left = after_all;
  auto result = added::yes;
  for (auto& x : rotated) {
    auto which = identity_of(x.info);
    auto is_left = is_younger(x) && (x.info.size == 0 || which.birth > end);
    if (is_younger(x) && !is_left && !registry_->find(which)) {
      auto is_copied = is_copy(x, path);
      end = is_copied ? which.birth : end; // what is younger was written later
      result = is_copied ? added::yes : add(path, x, true, found);
      is_left = is_copied ? !is_found : result != added::yes;
    }
    (is_left ? oldest_left : latest) = is_left ? std::min(oldest_left, which.birth) : std::max(latest, which.birth);
    if (result == added::moved)
      break;
  }
  // What has come to the path since it was looked at is not seen either.
  if (original && original->size > 0 && registry_->find(identity_of(*original)))
    latest = std::max(latest, identity_of(*original).birth);
  registry_->set_newest(path, std::min(latest, oldest_left - 1));
  return result != added::moved;
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

/// It may be read to its end already, and have been removed since; that is for its reader to tell.
void file_discovery::place(const std::string& path, const file_identity& which, const sighting* seen, findings& found) {
  auto known = *registry_->find(which);
  auto is_here = seen && identity_of(seen->info) == which;
  auto now_here = is_here ? beginning_of(*seen) : std::nullopt;
  if (now_here && known.head.is_head_of(*now_here))
    return; // found last of all
  auto is_it = [&](const sighting& x) {
    auto beginning = identity_of(x.info) == which ? beginning_of(x) : std::nullopt;
    return beginning && known.head.is_head_of(*beginning);
  };
  if (auto moved = siblings_.find(path, is_it))
    return go_on(path, *moved, found);
  auto copy = find_copy(path, known.head);
  if (copy) {
    registry_->move(which, identity_of(copy->info));
    go_on(path, *copy, found);
  } else {
    miss(path, which, found);
  }
  if (now_here)
    registry_->mark(which, known_file::state::cut);
  else if (copy)
    registry_->mark(which, known_file::state::finished);
  else
    in_use_.insert(which);
}

/// A file beside `path` that begins with `head` and is none that is known.
std::optional<sibling_files::sighting> file_discovery::find_copy(const std::string& path, const file_head& head) {
  if (head.bytes == 0)
    return std::nullopt;
  return siblings_.find(path, [&](const sighting& x) {
    auto beginning = registry_->find(identity_of(x.info)) ? std::nullopt : beginning_of(x);
    return beginning && head.is_head_of(*beginning);
  });
}

/// Nothing if it is not that file any more that is there, or cannot be read.
std::optional<std::vector<std::byte>> file_discovery::beginning_of(const sighting& seen) {
  auto opened = open_same(files_, seen.where, identity_of(seen.info));
  auto beginning = opened ? read_beginning(**opened) : fail(std::move(opened.error()));
  return beginning ? std::optional{std::move(*beginning)} : std::nullopt;
}

/// With a stream that is known.
void file_discovery::go_on(const std::string& path, const sighting& seen, findings& found) {
  auto which = identity_of(seen.info);
  if (add(path, seen, true, found) == added::yes)
    return;
  miss(path, which, found);
  in_use_.insert(which);
}

void file_discovery::miss(const std::string& path, const file_identity& which, findings& found) {
  auto& known = *registry_->find(which);
  found_file made;
  made.path = path;
  made.location = path;
  made.key = known.key;
  made.which = which;
  made.head = known.head;
  made.size = known.head.bytes; // at least
  made.is_away = true;
  made.is_missing = true;
  found.files.push_back(std::move(made));
}

file_discovery::added file_discovery::add(
  const std::string& path, const sighting& seen, bool is_away, findings& found) {
  auto opened = open_same(files_, seen.where, identity_of(seen.info));
  if (!opened && opened.error().code == errc::not_found)
    return added::moved;
  if (!opened) {
    complain(path, std::move(opened.error()), found);
    return added::no;
  }
  auto entry = registry_->identify(**opened, path);
  if (!entry && entry.error().code == errc::not_found)
    return added::moved;
  if (!entry) {
    complain(path, std::move(entry.error()), found);
    return added::no;
  }
  auto& [which, known] = **entry;
  if (!is_away) {
    paths_[path] = {which, seen.info.size};
    searched_.insert(path);
  }
  if (!in_use_.insert(which).second)
    return added::yes;
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
  return added::yes;
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
      go_on(x.path, *copy, found);
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
  siblings_.forget();
  auto found = siblings_.find(path, [&](const sighting& x) { return identity_of(x.info) == which; });
  return found ? std::optional{found->where} : std::nullopt;
}

} // namespace sluice

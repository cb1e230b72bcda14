#include "actors/source/file_registry.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <sstream>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <xxhash.h>

#include "transport/file_system.hpp"

namespace sluice {

namespace {

/// Of the notes, before they are written anew.
constexpr std::size_t many_notes_bytes = 16 * 1024 * 1024;
constexpr std::size_t max_notes_bytes = 256 * 1024 * 1024;
/// Of which are remembered.
constexpr std::size_t max_finished = 8192;

using half_keys = std::array<std::uint64_t, 2>;

id128 make_key(const file_identity& which, const file_head& head, std::uint32_t generation) {
  std::array<std::uint64_t, 6> parts{
    which.device, which.inode, static_cast<std::uint64_t>(which.birth), head.hash, head.bytes, generation};
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(parts.data(), sizeof parts));
  return std::bit_cast<id128>(hash.digest);
}

/// A word without spaces; `-` for nothing.
std::string escape(const std::string& path) {
  if (path.empty())
    return "-";
  std::string word;
  for (auto byte : path) {
    auto code = static_cast<unsigned char>(byte);
    if (code <= ' ' || code == '%' || code == 0x7f)
      word += fmt::format("%{:02x}", code);
    else
      word += byte;
  }
  return word;
}

std::string unescape(const std::string& word) {
  if (word == "-")
    return {};
  std::string path;
  for (std::size_t at = 0; at < word.size(); ++at) {
    if (word[at] != '%' || at + 2 >= word.size()) {
      path += word[at];
      continue;
    }
    path += static_cast<char>(std::strtoul(word.substr(at + 1, 2).c_str(), nullptr, 16));
    at += 2;
  }
  return path;
}

bool is_state(char text) {
  using state = known_file::state;
  return text == char(state::open) || text == char(state::finished) || text == char(state::cut);
}

} // namespace

expected<void> file_registry::load() {
  if (loaded_ || notes_.empty())
    return {};
  auto text = read_file(files_, notes_, max_notes_bytes);
  if (!text && text.error().code != errc::not_found)
    return fail(std::move(text.error()));
  if (text)
    parse(*text);
  loaded_ = true;
  notes_bytes_ = text ? text->size() : 0;
  return notes_bytes_ > many_notes_bytes ? rewrite() : expected<void>{};
}

expected<const file_registry::entry*> file_registry::identify(file& opened, const std::string& path) {
  auto info = opened.info();
  if (!info)
    return fail(std::move(info.error()));
  auto beginning = read_beginning(opened);
  if (!beginning)
    return fail(std::move(beginning.error()));
  if (!path.empty() && beginning->empty())
    return fail(errc::not_found, path + ": was truncated");
  auto which = identity_of(*info);
  auto head = file_head::of(*beginning);
  auto found = known_.find(which);
  if (found != known_.end() && found->second.now != known_file::state::cut &&
      found->second.head.is_head_of(*beginning)) {
    auto& known = found->second;
    auto is_followed = path.empty() || (known.path == path && known.now == known_file::state::open);
    if (known.head == head && is_followed)
      return &*found;
    known.head = head;
    known.now = known_file::state::open;
    if (!path.empty())
      known.path = path;
    note(which);
    return &*found;
  }
  auto is_unfinished = !path.empty() && found != known_.end() && found->second.now == known_file::state::open &&
                       found->second.path == path;
  if (is_unfinished)
    return fail(errc::not_found, path + ": was truncated, and not read to its end");
  auto generation = found == known_.end() ? 0 : found->second.generation + 1;
  auto made =
    known_.insert_or_assign(which, known_file{make_key(which, head, generation), generation, head, {}, path}).first;
  made->second.now = known_file::state::open;
  if (!head.is_full() || generation > 0 || !path.empty())
    note(which);
  return &*made;
}

const known_file* file_registry::find(const file_identity& which) const {
  auto found = known_.find(which);
  return found == known_.end() ? nullptr : &found->second;
}

std::map<std::string, std::vector<file_identity>> file_registry::unfinished() const {
  std::map<std::string, std::vector<file_identity>> result;
  for (auto& [which, known] : known_)
    if (known.now == known_file::state::open && !known.path.empty())
      result[known.path].push_back(which);
  for (auto& [path, files] : result)
    std::ranges::sort(files, {}, &file_identity::birth);
  return result;
}

void file_registry::set_head(const file_identity& which, const file_head& head) {
  auto found = known_.find(which);
  if (found == known_.end() || found->second.head == head)
    return;
  found->second.head = head;
  note(which);
}

void file_registry::mark(const file_identity& which, known_file::state now) {
  auto found = known_.find(which);
  if (found == known_.end() || found->second.now == now)
    return;
  found->second.now = now;
  note(which);
  if (now == known_file::state::finished)
    finished_.push_back(which);
}

void file_registry::move(const file_identity& from, const file_identity& copy) {
  auto moved = known_.at(from);
  moved.now = known_file::state::open;
  known_[copy] = std::move(moved);
  note(copy);
}

std::optional<std::int64_t> file_registry::newest_at(const std::string& path) const {
  auto found = newest_.find(path);
  return found == newest_.end() ? std::nullopt : std::optional{found->second};
}

std::vector<std::string> file_registry::paths() const {
  std::vector<std::string> result;
  for (auto& [path, birth] : newest_)
    result.push_back(path);
  return result;
}

/// A crash may keep only the first of the lines. So of each path, only the last one says what is newest there now: none
/// that is older may be missing behind it.
expected<void> file_registry::flush() {
  std::string text;
  auto newest = noted_newest_;
  std::map<std::string_view, std::size_t> left;
  for (auto& which : changed_)
    if (auto found = known_.find(which); found != known_.end())
      ++left[found->second.path];
  for (auto& which : changed_)
    if (auto found = known_.find(which); found != known_.end()) {
      auto& path = found->second.path;
      if (auto now = newest_at(path); now && (--left[path] == 0 || !newest.contains(path)))
        newest[path] = *now;
      text += line_of(*found, newest);
    }
  if (notes_.empty() || text.empty()) {
    changed_.clear();
    return {};
  }
  if (auto appended = files_.append(notes_, text); !appended)
    return appended;
  changed_.clear();
  noted_newest_ = std::move(newest);
  notes_bytes_ += text.size();
  forget_finished();
  return notes_bytes_ > many_notes_bytes ? rewrite() : expected<void>{};
}

void file_registry::parse(const std::string& text) {
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields{line};
    file_identity which;
    known_file known;
    half_keys halves;
    std::int64_t newest = 0;
    std::string path;
    char state = 0, end = 0;
    if (fields >> which.device >> which.inode >> which.birth >> known.generation >> known.head.bytes >>
          known.head.hash >> halves[0] >> halves[1] >> state >> newest >> path >> end &&
        known.head.bytes <= file_head::max_bytes && is_state(state) && end == '.') {
      known.key = std::bit_cast<id128>(halves);
      known.now = static_cast<known_file::state>(state);
      known.path = unescape(path);
      if (!known.path.empty())
        newest_[known.path] = noted_newest_[known.path] = newest;
      if (known.now == known_file::state::finished)
        finished_.push_back(which);
      known_[which] = std::move(known);
    } else if (!line.empty()) {
      spdlog::warn("{}: passed over a note that cannot be read: {}", notes_.string(), line);
    }
  }
}

std::string file_registry::line_of(const entry& x, const std::map<std::string, std::int64_t>& newest) {
  auto& [which, known] = x;
  auto newest_there = newest.find(known.path);
  auto halves = std::bit_cast<half_keys>(known.key);
  return fmt::format("\n{} {} {} {} {} {} {} {} {} {} {} .", which.device, which.inode, which.birth, known.generation,
    known.head.bytes, known.head.hash, halves[0], halves[1], static_cast<char>(known.now),
    newest_there == newest.end() ? 0 : newest_there->second, escape(known.path));
}

void file_registry::forget_finished() {
  if (finished_.size() <= 2 * max_finished)
    return;
  auto end = finished_.end() - max_finished;
  for (auto at = finished_.begin(); at != end; ++at)
    if (auto found = known_.find(*at); found != known_.end() && found->second.now == known_file::state::finished)
      known_.erase(found);
  finished_.erase(finished_.begin(), end);
}

expected<void> file_registry::rewrite() {
  forget_finished();
  std::string text;
  for (auto is_followed : {false, true}) // what comes first is forgotten first
    for (auto& x : known_)
      if (is_followed != x.second.path.empty())
        text += line_of(x, newest_);
  if (text.size() > many_notes_bytes)
    text.erase(0, text.find('\n', text.size() - many_notes_bytes / 2));
  if (auto replaced = replace_file(files_, notes_, text); !replaced)
    return replaced;
  notes_bytes_ = text.size();
  noted_newest_ = newest_;
  return {};
}

} // namespace sluice

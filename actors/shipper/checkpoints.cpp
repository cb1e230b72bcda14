#include "actors/shipper/checkpoints.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

#include "transport/file_system.hpp"

namespace sluice {

namespace {

using halves = std::array<std::uint64_t, 2>;

std::uint64_t hash(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

std::string format(const stream_id& stream, const checkpoints::entry& x) {
  auto producer = std::bit_cast<halves>(stream.producer), source = std::bit_cast<halves>(stream.source),
       store = std::bit_cast<halves>(x.store);
  auto line = fmt::format("{} {} {} {} {} {} {} {} {}", producer[0], producer[1], source[0], source[1], x.last.epoch,
    x.last.sequence, x.last.position, store[0], store[1]);
  return fmt::format("{} {}\n", line, hash(line));
}

} // namespace

expected<checkpoints> checkpoints::read(file_system& files, const std::filesystem::path& where) {
  auto text = read_file(files, where, max_text_bytes);
  if (!text && text.error().code != errc::not_found)
    return fail(std::move(text.error()));
  checkpoints made;
  if (text)
    made.load(*text);
  return made;
}

expected<void> checkpoints::update(file_system& files, const std::filesystem::path& where, const changes& changed) {
  auto lock = files.lock(where.string() + ".lock");
  if (!lock)
    return fail(std::move(lock.error()));
  auto known = read(files, where);
  if (!known)
    return fail(std::move(known.error()));
  known->apply(changed);
  return replace_file(files, where, known->text());
}

void checkpoints::load(std::string_view text) {
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    auto body = line.substr(0, line.find_last_of(' '));
    std::istringstream fields{std::string{line}};
    halves producer, source, store;
    entry x;
    std::uint64_t announced = 0;
    fields >> producer[0] >> producer[1] >> source[0] >> source[1] >> x.last.epoch >> x.last.sequence >>
      x.last.position >> store[0] >> store[1] >> announced;
    if (!fields || announced != hash(body))
      continue;
    x.store = std::bit_cast<id128>(store);
    streams_[{std::bit_cast<id128>(producer), std::bit_cast<id128>(source)}] = {x, ++moves_};
  }
}

const checkpoints::entry* checkpoints::find(const stream_id& stream) const {
  auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second.known;
}

bool checkpoints::set(const stream_id& stream, const entry& known) {
  streams_[stream] = {known, ++moves_};
  unsaved_.insert(stream);
  return !std::exchange(changed_, true);
}

void checkpoints::erase(const stream_id& stream) {
  if (streams_.erase(stream) == 0)
    return;
  unsaved_.insert(stream);
  changed_ = true;
}

void checkpoints::apply(const changes& changed) {
  for (auto& [stream, known] : changed) {
    auto* present = find(stream);
    if (!known)
      erase(stream);
    else if (!present || present->last.epoch <= known->last.epoch)
      set(stream, *known);
  }
}

checkpoints::changes checkpoints::take_changes() {
  changes taken;
  for (auto& [stream, x] : by_move())
    if (unsaved_.erase(stream) > 0)
      taken.emplace_back(stream, x.known);
  for (auto& stream : std::exchange(unsaved_, {}))
    taken.emplace_back(stream, std::nullopt);
  changed_ = false;
  return taken;
}

void checkpoints::put_back(const changes& unsaved) {
  for (auto& [stream, known] : unsaved)
    unsaved_.insert(stream);
}

std::vector<std::pair<stream_id, checkpoints::moved_entry>> checkpoints::by_move() const {
  std::vector<std::pair<stream_id, moved_entry>> sorted{streams_.begin(), streams_.end()};
  std::ranges::sort(sorted, {}, [](auto& x) { return x.second.moved; });
  return sorted;
}

std::string checkpoints::text() const {
  auto sorted = by_move();
  auto left_out = sorted.size() - std::min(sorted.size(), max_streams);
  std::string text;
  for (auto& [stream, x] : std::span{sorted}.subspan(left_out))
    text += format(stream, x.known);
  return text;
}

} // namespace sluice

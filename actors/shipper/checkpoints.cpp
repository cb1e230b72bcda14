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
  return !std::exchange(changed_, true);
}

void checkpoints::erase(const stream_id& stream) {
  if (streams_.erase(stream) > 0)
    changed_ = true;
}

std::string checkpoints::take_text() {
  using item = decltype(streams_)::const_pointer;
  std::vector<item> newest;
  newest.reserve(streams_.size());
  for (auto& x : streams_)
    newest.push_back(&x);
  std::sort(newest.begin(), newest.end(), [](item a, item b) { return a->second.moved < b->second.moved; });
  auto left_out = newest.size() - std::min(newest.size(), max_streams);
  std::string text;
  for (auto* x : std::span{newest}.subspan(left_out))
    text += format(x->first, x->second.known);
  changed_ = false;
  return text;
}

} // namespace sluice

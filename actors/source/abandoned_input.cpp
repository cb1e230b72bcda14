#include "actors/source/abandoned_input.hpp"

#include <algorithm>

namespace sluice {

void abandoned_input::add(const stream_id& stream, std::uint64_t begin, std::uint64_t end) {
  if (begin >= end)
    return;
  std::lock_guard guard{mutex_};
  auto [at, is_new] = ranges_.try_emplace(stream, range{begin, end});
  if (!is_new)
    at->second = {std::max(at->second.begin, begin), std::max(at->second.end, end)};
}

void abandoned_input::acknowledge(const stream_id& stream, std::uint64_t position) {
  std::lock_guard guard{mutex_};
  auto found = ranges_.find(stream);
  if (found == ranges_.end())
    return;
  found->second.begin = std::max(found->second.begin, position);
  if (found->second.begin >= found->second.end)
    ranges_.erase(found);
}

abandoned_input::content abandoned_input::left() const {
  std::lock_guard guard{mutex_};
  content found{ranges_.size()};
  for (auto& [stream, x] : ranges_)
    found.bytes += x.end - x.begin;
  return found;
}

} // namespace sluice

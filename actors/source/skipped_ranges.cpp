#include "actors/source/skipped_ranges.hpp"

#include <algorithm>

namespace sluice {

void skipped_ranges::add(std::uint64_t begin, std::uint64_t end) {
  bytes_ += end - begin;
  if (count() > 0 && ranges_.back().end == begin)
    ranges_.back().end = end;
  else
    ranges_.push_back({begin, end});
}

void skipped_ranges::limit(std::uint64_t acked, std::uint64_t position) {
  for (; count() > 0 && ranges_.back().end > position; ranges_.pop_back()) {
    auto& last = ranges_.back();
    bytes_ -= last.end - std::max(last.begin, position);
    last.end = position;
    if (last.begin < position)
      break;
  }
  for (; count() > 0 && ranges_[first_].begin < acked; ++first_) {
    auto& first = ranges_[first_];
    bytes_ -= std::min(first.end, acked) - first.begin;
    first.begin = acked;
    if (acked < first.end)
      break;
  }
  if (first_ > ranges_.size() / 2) {
    ranges_.erase(ranges_.begin(), ranges_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

} // namespace sluice

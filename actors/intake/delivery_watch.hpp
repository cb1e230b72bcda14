#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

namespace sluice {

/// How many of a stream's records lie before a position of which something is said, such as that it is durable. Not
/// thread-safe.
class delivery_watch {
public:
  /// `records` lie before `position`, the end of a batch. Both never fall.
  void mark(std::uint64_t position, std::uint64_t records) {
    marks_.push_back({position, records});
    reach(position_);
  }

  /// It is said of all that lies before `position`.
  void reach(std::uint64_t position) {
    position_ = std::max(position_, position);
    for (; !marks_.empty() && marks_.front().position <= position_; marks_.pop_front())
      records_ = marks_.front().records;
  }

  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t records() const noexcept { return records_; }

private:
  struct mark_entry {
    std::uint64_t position, records;
  };

  std::deque<mark_entry> marks_; ///< Beyond `position_`.
  std::uint64_t position_ = 0, records_ = 0;
};

} // namespace sluice

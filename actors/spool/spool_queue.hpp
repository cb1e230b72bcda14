#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "actors/spool/spool_log.hpp"
#include "messages/frame.hpp"

namespace sluice {

/// Frames that wait to be written to a spool's log, oldest first. Not thread-safe.
class spool_queue {
public:
  struct bounds {
    bool are_kept = true; ///< False: what was read before the input ended must not be lost for want of room.
    bool drop = false;    ///< What finds no room becomes a gap.
  };

  struct commit {
    std::vector<frame> frames;
    spool_content dropped; ///< What gaps have taken the place of.
  };

  void push(frame x) {
    bytes_ += x.size();
    frames_.push_back(std::move(x));
  }

  /// What the log is given next: no more than it has room for.
  commit take(const spool_log& log, bounds how, timestamp now);

  /// It was taken and could not be written. Of several the last one first.
  void put_back(frame x) { frames_.push_front(std::move(x)); }

  /// It was taken and is written.
  void settle(const frame& x) { bytes_ -= x.size(); }

  bool empty() const noexcept { return frames_.empty(); }
  const frame& front() const { return frames_.front(); }

  /// Of all that was pushed and is not settled.
  std::size_t bytes() const noexcept { return bytes_; }

private:
  spool_content drop(frame& x, timestamp now);

  std::deque<frame> frames_;
  std::size_t bytes_ = 0;
};

} // namespace sluice

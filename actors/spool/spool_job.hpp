#pragma once

#include <vector>

#include "actors/spool/spool_log.hpp"

namespace sluice {

/// What is done with a spool's log at once, away from its actor.
struct spool_job {
  std::vector<frame> frames; ///< To be written.
  bool drops = false;        ///< The oldest is to make room.
  bool reads = false;

  bool is_nothing() const noexcept { return frames.empty() && !drops && !reads; }
};

struct spool_outcome {
  std::vector<expected<ack>> answers; ///< One per frame.
  spool_content written;
  expected<spool_content> dropped;
  expected<std::vector<frame>> out;
  expected<void> reclaimed;
};

/// Reads frames for at most `window_bytes` that are handed on and not acknowledged. Blocks on the disk.
spool_outcome perform(spool_log& log, const spool_job& job, std::size_t window_bytes, timestamp now);

} // namespace sluice

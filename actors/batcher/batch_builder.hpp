#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/interfaces.hpp"
#include "messages/batch.hpp"
#include "messages/buffer_pool.hpp"
#include "messages/record_codec.hpp"

namespace sluice {

/// When a batch is complete.
struct batch_limits {
  std::size_t max_bytes = 1024 * 1024; ///< Of record bodies, line ends included.
  std::uint32_t max_events = 4096;
  std::chrono::milliseconds timeout{1'000}; ///< Since its first record.
};

/// Joins the chunks of one stream into batches, and its gaps into others, and numbers them. A chunk that fills a batch
/// becomes one without being copied. Not thread-safe.
class batch_builder {
public:
  batch_builder(stream_id stream, label_set labels, batch_limits limits);

  /// The next batch follows `last`. Discards what was collected; returns how many records that were.
  std::uint32_t restart(const stream_point& last);

  /// Whether `x` still fits into the batch at hand: chunks with chunks, gaps with gaps of the same reason.
  bool fits(const chunk& x) const noexcept;
  bool fits(const gap& x) const noexcept;

  /// Adds what joins the last position; needs `fits`.
  void add(chunk x);
  void add(gap x);

  /// Whether another record would exceed a limit.
  bool full() const noexcept;
  bool empty() const noexcept { return !lines_ && reason_.empty(); }

  /// Gives the batch away, its memory shared from `pool`, and begins the next one. Needs one that is not empty.
  batch finish(buffer_pool& pool);

  /// What is collected; a gap holds nothing.
  std::uint32_t records() const noexcept { return header_.stored_records(); }
  std::size_t bytes() const noexcept { return lines_ ? lines_->text_bytes() : 0; }

private:
  void clear() noexcept;

  batch_limits limits_;
  frame_header header_;                     ///< Of the batch at hand.
  std::shared_ptr<lines_payload> lines_;    ///< Of a batch of records.
  std::vector<std::uint32_t> record_bytes_; ///< As in `chunk`.
  std::string reason_;                      ///< Of a gap.
};

} // namespace sluice

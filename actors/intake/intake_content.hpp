#pragma once

#include <cstdint>
#include <deque>

#include "messages/batch.hpp"
#include "messages/stream.hpp"

namespace sluice {

/// The batches of one stream that are made and not acknowledged. What was received from a peer cannot be had again, so
/// this outlives the actor that has made them, for its successor to hand them on once more. Not thread-safe: only one
/// of them lives at a time.
class intake_content {
public:
  explicit intake_content(std::uint64_t epoch) : last_{epoch, 0, 0} {}

  /// End of the newest batch.
  const stream_point& last() const noexcept { return last_; }

  /// What is acknowledged.
  const stream_point& acked() const noexcept { return acked_; }

  void push(batch made) {
    auto& header = made.header;
    last_ = {header.epoch, header.sequence, header.position_end};
    bytes_ += made.payload->size();
    batches_.push_back(std::move(made));
  }

  /// Forgets what is durable. Returns how many bytes of payloads that were.
  std::size_t acknowledge(const stream_point& durable) {
    auto before = bytes_;
    while (!batches_.empty() && batches_.front().header.sequence <= durable.sequence) {
      bytes_ -= batches_.front().payload->size();
      batches_.pop_front();
    }
    acked_ = durable;
    return before - bytes_;
  }

  const std::deque<batch>& batches() const noexcept { return batches_; }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  stream_point last_, acked_;
  std::deque<batch> batches_;
  std::size_t bytes_ = 0;
};

} // namespace sluice

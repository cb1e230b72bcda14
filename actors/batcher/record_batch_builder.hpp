#pragma once

#include "actors/batcher/batch_builder.hpp"
#include "messages/batch.hpp"
#include "messages/record_codec.hpp"

namespace sluice {

/// Joins single records of one stream into batches, and numbers them. A record takes as many positions as its body has
/// bytes, and one more. Not thread-safe.
class record_batch_builder {
public:
  record_batch_builder(stream_id stream, label_set labels, batch_limits limits, stream_point last);

  /// Adds the record to the batch at hand. Errors: those of `record_encoder::append`; nothing has changed then.
  expected<void> add(const record_view& record);

  bool empty() const noexcept { return records_.count() == 0; }
  bool full() const noexcept {
    return records_.count() >= limits_.max_events || body_bytes() >= limits_.max_bytes ||
           records_.payload_bytes() >= max_payload_bytes;
  }

  /// What is collected.
  std::uint32_t records() const noexcept { return records_.count(); }
  std::size_t body_bytes() const noexcept { return records_.body_bytes(); }

  /// Where the batch at hand ends.
  std::uint64_t position() const noexcept { return header_.position_end; }

  /// Gives the batch away and begins the next one. Needs one that is not empty.
  batch finish();

  /// A gap where the next batch would be. Needs one that is empty.
  batch make_gap(std::string_view reason, std::uint32_t records, timestamp first, timestamp last);

private:
  /// However small the bodies, for what is done to records behind this needs room, too.
  static constexpr std::size_t max_payload_bytes = 16 * 1024 * 1024;

  batch_limits limits_;
  frame_header header_; ///< Of the batch at hand.
  record_encoder records_;
};

} // namespace sluice

#pragma once

#include <memory>
#include <unordered_map>

#include "actors/transform/transform_chain.hpp"
#include "messages/batch.hpp"
#include "messages/buffer_pool.hpp"

namespace sluice {

/// What a batch became.
struct transformed_batch {
  batch made; ///< A gap if no record is left.
  std::uint32_t filtered = 0;
  std::uint32_t sampled = 0;
};

/// Applies transforms to the records of batches (docs/specs/transforms.md, "What becomes of a batch"). Not thread-safe.
class batch_transform {
public:
  batch_transform(const std::vector<record_transform>& what, std::shared_ptr<buffer_pool> pool)
    : chain_(what), pool_(std::move(pool)) {}

  /// Needs a batch of records. Errors: those of `record_reader`, and too_large if a batch that is nearly as large as
  /// one may be has no room for any change; it can only go on as it came then.
  expected<transformed_batch> apply(const batch& x);

  /// What comes next of the stream does not go on with what came last.
  void restart(const stream_id& stream) { open_ends_.erase(stream); }

  /// As `transform_chain` does.
  template <class Take>
  void take_failures(Take take) {
    chain_.take_failures(std::move(take));
  }

private:
  bool takes_up_line(const frame_header& header);
  expected<void> walk(const batch& x, transformed_batch& to);
  expected<void> begin_copy(const batch& x, std::uint32_t records);
  expected<void> settle(rule_outcome outcome, transformed_batch& to);
  batch finish(const batch& x, const transformed_batch& outcome);

  transform_chain chain_;
  std::shared_ptr<buffer_pool> pool_;
  std::unordered_map<stream_id, std::uint64_t> open_ends_; ///< Where a record without an end has ended last.
  record_view record_;                                     ///< At work.
  record_encoder encoder_;                                 ///< Empty as long as nothing has changed.
  bool is_copying_ = false;
};

} // namespace sluice

#pragma once

#include <memory>

#include <caf/fwd.hpp>

#include "actors/intake/intake_outlet.hpp"
#include "actors/intake/submission_queue.hpp"
#include "actors/interfaces.hpp"

namespace sluice {

struct environment;

/// What an intake of a program's records has at hand. It outlives the actor, as `intake_records` do.
struct api_intake_state {
  std::shared_ptr<submission_queue> queue;
  intake_records records;
  std::uint64_t taken_records = 0;   ///< Out of the queue.
  std::uint64_t marked_sequence = 0; ///< Newest batch of which the queue knows the end.
  bool is_stopped = false;           ///< What comes from now on is not taken.
  std::uint64_t dropped_records = 0; ///< That no gap tells of yet.
  timestamp first_drop, last_drop;
};

struct api_intake_config {
  intake_stream stream;
  /// Bytes of records that may be taken and not be durable.
  std::size_t window_bytes = 32 * 1024 * 1024;
  std::shared_ptr<api_intake_state> state;
};

/// Starts an actor that makes batches of what threads of the program submit.
source_actor spawn_api_intake(
  caf::actor_system& system, environment& env, api_intake_config config, compressor_actor next);

} // namespace sluice

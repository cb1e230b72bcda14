#pragma once

#include <cstdint>
#include <memory>

#include <caf/fwd.hpp>

#include "actors/intake/intake_outlet.hpp"
#include "actors/intake/intake_queue.hpp"
#include "actors/intake/record_source.hpp"
#include "actors/interfaces.hpp"

namespace sluice {

struct environment;

/// What an intake has at hand. It outlives the actor, as its records do.
struct intake_state : intake_records {
  std::shared_ptr<intake_queue> queue = std::make_shared<intake_queue>();
  std::unique_ptr<intake_listener> listener; ///< Into `queue`; null once nothing more is taken.
  std::unique_ptr<record_source> records;
  std::int64_t granted_bytes = 0; ///< To the listener, and not used; the last read may have used more than there was.
};

struct intake_config {
  endpoint listens_on; ///< For the log.
  stream_id stream;    ///< A new one with each start of the process.
  label_set labels;
  batch_limits batch;
  /// Bytes of records that may be made and not be durable. What peers have not completed comes on top
  /// (`framed_limits`): it can only be completed by reading on.
  std::size_t window_bytes = 32 * 1024 * 1024;
  std::shared_ptr<intake_state> state;
};

/// Starts an actor that makes batches of what the peers of one listener send.
source_actor spawn_intake(caf::actor_system& system, environment& env, intake_config config, compressor_actor next);

} // namespace sluice

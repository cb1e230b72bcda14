#pragma once

#include <memory>

#include <caf/fwd.hpp>

#include "actors/batcher/batch_builder.hpp"
#include "actors/interfaces.hpp"

namespace sluice {

/// Starts a batcher that hands its batches to `next`.
batcher_actor spawn_batcher(
  caf::actor_system& system, batch_limits limits, std::shared_ptr<buffer_pool> pool, compressor_actor next);

} // namespace sluice

#pragma once

#include <memory>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/transform/transforms.hpp"
#include "messages/buffer_pool.hpp"

namespace sluice {

/// Starts an actor that does what `what` says to the batches on their way to a compressor, and hands all else on. To
/// whoever sends them it is the compressor. It keeps nothing that its successor would need.
compressor_actor spawn_transformer(
  caf::actor_system& system, transform_config what, std::shared_ptr<buffer_pool> pool, compressor_actor next);

} // namespace sluice

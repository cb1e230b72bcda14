#pragma once

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {

/// Starts a compressor that hands its frames to `next`.
compressor_actor spawn_compressor(caf::actor_system& system, compression how, downstream_actor next);

} // namespace sluice

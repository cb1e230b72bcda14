#pragma once

#include <chrono>
#include <optional>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/shipper/backoff.hpp"
#include "transport/endpoint.hpp"
#include "transport/network.hpp"

namespace sluice {

struct environment;

struct shipper_config {
  endpoint to;
  std::uint64_t epoch = 1; ///< Which start of the agent this is; a stream stored by a later one is not touched.
  link_options link;
  backoff_config retry;
  /// How long the first connection may take to come about before the shipper gives up; never, if not set. Once a
  /// receiver has answered, it is retried for ever.
  std::optional<std::chrono::milliseconds> give_up_after;
  /// Bytes that may wait in the link before more frames are handed to it.
  std::size_t max_queued_bytes = 4 * 1024 * 1024;
};

/// Starts a shipper, which connects at once.
shipper_actor spawn_shipper(caf::actor_system& system, environment& env, shipper_config config);

} // namespace sluice

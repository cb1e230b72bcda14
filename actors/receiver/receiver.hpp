#pragma once

#include <chrono>
#include <memory>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"

namespace sluice {

struct receiver_config {
  /// Credit, in bytes, for what a connection may have delivered and storage not yet answered.
  std::size_t window_bytes = 4 * 1024 * 1024;
  /// Of answers that the peer has not read, after which it gets no credit until it has.
  std::size_t max_unsent_bytes = 256 * 1024;
  /// After which a connection is closed because storage does not answer.
  std::chrono::seconds storage_timeout{60};
};

/// Starts the owner of an accepted connection.
receiver_actor spawn_receiver(caf::actor_system& system, const receiver_config& config,
  std::unique_ptr<link> connection, storage_writer_actor storage);

} // namespace sluice

#pragma once

#include <caf/fwd.hpp>

#include "actors/receiver/receiver.hpp"

namespace sluice {

struct acceptor_config {
  receiver_config receiver;
  /// Further connections are refused. Bounds the memory of all receivers: a connection holds at most its window,
  /// 2 MiB of the message that is coming, and its answers that are not read (receiver_config); what messages take
  /// beyond that is bounded for all of them by the network (docs/specs/protocol.md).
  std::size_t max_connections = 1024;
};

/// Starts the actor that makes and owns the receivers; they end with it.
acceptor_actor spawn_acceptor(caf::actor_system& system, acceptor_config config, storage_writer_actor storage);

} // namespace sluice

#pragma once

#include <caf/fwd.hpp>

#include "actors/receiver/receiver.hpp"
#include "transport/network.hpp"

namespace sluice {

struct acceptor_config {
  receiver_config receiver;
  std::size_t max_connections = 1024; ///< Bounds, with the window, the memory of all receivers.
};

/// Starts the actor that owns the receivers of one listener. The listener itself is made by `listen_for`.
acceptor_actor spawn_acceptor(caf::actor_system& system, acceptor_config config,
                              storage_writer_actor storage);

/// Opens a listener whose connections go to `acceptor`. Errors: those of `network::listen`.
expected<std::unique_ptr<listener>> listen_for(acceptor_actor acceptor, network& net,
                                               const endpoint& where, const link_options& options);

} // namespace sluice

#pragma once

#include <filesystem>
#include <memory>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/receiver/acceptor.hpp"
#include "actors/storage/store.hpp"
#include "actors/supervision/supervisor.hpp"
#include "transport/network.hpp"

namespace sluice {

struct environment;

struct receive_pipeline_config {
  std::filesystem::path folder; ///< Of the store.
  store_options store;
  acceptor_config acceptor;
  restart_intensity intensity;
  /// For the store of a storage writer that has failed in the middle of a commit, to be unlocked when that ends.
  std::chrono::milliseconds lock_patience{60'000};
};

/// Starts a storage writer on `opened`, and an acceptor. When the storage writer fails, the store is opened again and
/// both are started anew; when the acceptor does, it alone. Their names as children are "storage-writer" and
/// "acceptor".
receive_pipeline_actor spawn_receive_pipeline(
  caf::actor_system& system, environment& env, receive_pipeline_config config, std::unique_ptr<store> opened);

/// Opens a listener whose connections go to `pipeline`, which knows them by the listener's `number`. Errors: those of
/// `network::listen`.
expected<std::unique_ptr<listener>> listen_for(receive_pipeline_actor pipeline, network& net, const endpoint& where,
  const link_options& options, std::uint64_t number = 0);

} // namespace sluice

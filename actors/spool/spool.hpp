#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/spool/spool_log.hpp"

namespace sluice {

struct environment;

/// What a spool does when it is full.
enum class spool_overflow {
  block,       ///< It takes no more.
  drop_oldest, ///< What waits longest and is not being sent goes.
  drop_newest, ///< What comes goes.
};

struct spool_config {
  std::filesystem::path folder;
  spool_limits limits;
  bool takes_all = false; ///< Streams too whose source can be read again.
  spool_overflow when_full = spool_overflow::block;
  /// Bytes of frames that may be handed on and not acknowledged.
  std::size_t window_bytes = 8 * 1024 * 1024;
  /// Once the input has ended, how long after its start a drain still waits for a receiver that has never answered; for
  /// ever, if not set.
  std::optional<std::chrono::milliseconds> give_up_after;
  /// Keeps other processes from the folder, also while no actor has it open. May be null.
  std::shared_ptr<file_lock> claim;
  /// The folder, opened: for the first actor that is started with it. Further ones open it themselves.
  std::shared_ptr<std::unique_ptr<spool_log>> opened;
  /// How long an actor waits for the lock, which a job of its predecessor may still hold.
  std::chrono::milliseconds lock_patience{10'000};
};

/// Starts the actor that keeps frames on disk until `next` has them acknowledged. Streams whose source can be read
/// again pass it by, unless it takes all. It ends with an error if the folder cannot be opened.
spool_actor spawn_spool(caf::actor_system& system, environment& env, spool_config config, shipper_actor next);

} // namespace sluice

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/runtime/backoff.hpp"
#include "transport/endpoint.hpp"
#include "transport/network.hpp"

namespace sluice {

struct environment;

/// What a shipper tells of itself that its successor after a restart goes on with. Thread-safe.
struct shipper_totals {
  std::atomic<bool> was_connected = false; ///< Whether a receiver has ever answered.
  std::atomic<std::uint64_t> acked_records = 0;
  std::atomic<std::uint64_t> acked_bytes = 0; ///< Of the sources.
  std::atomic<std::uint64_t> sent_bytes = 0;  ///< Frames, resent ones included.
};

struct shipper_config {
  std::vector<endpoint> to; ///< Receivers, at least one. The first that works is used as long as it works.
  std::uint64_t epoch = 1;  ///< Which start of the agent this is; a stream stored by a later one is not touched.
  std::filesystem::path checkpoints; ///< Cache of what is acknowledged, for the next start; none if empty.
  link_options link;
  backoff_config retry;
  /// How long a receiver may owe an answer, to a greeting or a frame, without anything moving, before its link is taken
  /// for dead.
  std::chrono::milliseconds request_timeout{30'000};
  /// How often the checkpoints are saved at most; once more before the drain is answered.
  std::chrono::milliseconds checkpoint_interval{5'000};
  /// How long the first connection may take to come about before the shipper gives up; never, if not set. Once a
  /// receiver has answered, it is retried for ever.
  std::optional<std::chrono::milliseconds> give_up_after;
  /// Bytes that may wait in the link before more frames are handed to it.
  std::size_t max_queued_bytes = 4 * 1024 * 1024;
  /// Called when a receiver has acknowledged more of a stream, on the actor: it must not block.
  std::function<void(const stream_id& stream, const stream_point& last)> on_acked;
  std::shared_ptr<shipper_totals> totals = std::make_shared<shipper_totals>();
};

/// Starts a shipper, which connects at once.
shipper_actor spawn_shipper(caf::actor_system& system, environment& env, shipper_config config);

} // namespace sluice

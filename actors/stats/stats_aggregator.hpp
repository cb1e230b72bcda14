#pragma once

#include <chrono>
#include <functional>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"

namespace sluice {

struct environment;

struct stats_config {
  /// How often `report` is called; never, if zero.
  std::chrono::milliseconds interval{0};
  /// Runs on the actor; must not block.
  std::function<void(const stats_snapshot&)> report;
};

/// Starts the actor that gathers what all components of this node have counted.
stats_actor spawn_stats_aggregator(caf::actor_system& system, environment& env, stats_config config);

/// The same, started again when it fails; its name as a child is "stats".
supervisor_actor spawn_supervised_stats(caf::actor_system& system, environment& env, stats_config config);

/// What all components of this node have counted so far.
stats_snapshot take_snapshot(caf::actor_system& system, timestamp now);

/// The sum over all components of the samples called `name` that carry all of `labels`.
double total(const stats_snapshot& snapshot, std::string_view name,
  const std::vector<std::pair<std::string, std::string>>& labels = {});

} // namespace sluice

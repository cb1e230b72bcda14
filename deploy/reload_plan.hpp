#pragma once

#include <string>
#include <vector>

#include "deploy/configuration.hpp"

namespace sluice {

/// How a running node goes over to another configuration (docs/specs/configuration.md, "Reloading").
struct reload_plan {
  std::vector<std::string> added_sources, removed_sources;
  std::vector<std::string> changed_sources; ///< Ended, and started with what is new.
  listener_changes listeners;
};

/// Compares what is configured. Fails with what cannot change while a node runs, in the order of the next file.
tl::expected<reload_plan, std::vector<configuration_problem>> plan_reload(
  const configuration& present, const configuration& next);

/// In words, for the log.
std::string to_string(const reload_plan& plan);

} // namespace sluice

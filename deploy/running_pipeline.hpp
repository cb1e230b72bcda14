#pragma once

#include <future>
#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/source/abandoned_input.hpp"
#include "deploy/process.hpp"

namespace sluice {

/// Actors that ship for a node, and how they end.
struct running_pipeline {
  std::string name; ///< For the log, as `source web`.
  ship_pipeline_actor actor;
  std::shared_ptr<abandoned_input> abandoned;   ///< Null if nothing is read from files.
  std::future<expected<ship_report>> drained{}; ///< Not before it is stopped, unless it fails.
  std::future<void> ended{};                    ///< With all that it held.

  bool is_drained() const { return drained.wait_for(std::chrono::seconds{0}) == std::future_status::ready; }
  bool has_ended() const { return ended.wait_for(std::chrono::seconds{0}) == std::future_status::ready; }
};

/// Asks a pipeline that was just started how it ends. If it reads no files, its actors end when it has answered.
running_pipeline watch(caf::actor_system& system, running_pipeline started);

} // namespace sluice

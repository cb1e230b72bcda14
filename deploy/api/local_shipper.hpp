#pragma once

#include <future>
#include <memory>

#include <sluice/shipper.hpp>

#include "actors/intake/submission_queue.hpp"
#include "actors/interfaces.hpp"
#include "deploy/api/runtime.hpp"

namespace sluice {

struct [[gnu::visibility("hidden")]] shipper::impl final : runtime_user {
  /// Errors: as of `local_node::spawn_shipper`.
  static expected<std::unique_ptr<impl>> start(std::shared_ptr<runtime> shared, const shipper_options& options);

  ~impl() override;

  /// Accepts nothing more, and waits until everything is acknowledged, but not for longer than the drain's timeout.
  void end() override;

  std::shared_ptr<runtime> shared;
  std::shared_ptr<submission_queue> queue;
  ship_pipeline_actor pipeline; ///< Null once it is ended.
  std::future<void> ended;      ///< All is acknowledged, or the pipeline cannot go on.
  std::chrono::milliseconds drain_timeout{0};
  bool has_spool = false;
};

} // namespace sluice

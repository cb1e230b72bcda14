#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "deploy/configuration.hpp"
#include "deploy/departures.hpp"
#include "deploy/operations.hpp"
#include "deploy/process.hpp"
#include "deploy/receive_node.hpp"
#include "deploy/reload_plan.hpp"
#include "deploy/running_pipeline.hpp"

namespace sluice {

/// What a configuration names, running. `process` must outlive it. Not thread-safe.
class node {
public:
  using time_point = departures::time_point;

  explicit node(actor_process& process) : process_(process) {}

  /// Opens everything, what stores before what brings records. If that fails, `stop` ends what has been started.
  std::optional<startup_error> start(configuration config);

  const configuration& config() const noexcept { return config_; }

  /// Whether it cannot go on.
  bool has_failed() const;

  /// Goes over to `next`, which `plan` was made for: opens what is new before it ends anything. If that fails, it
  /// closes what it has opened, and goes on as before. Adds to `plan` what has changed in files that `next` names. Only
  /// while `is_settled`.
  std::optional<startup_error> reload(configuration next, reload_plan& plan);

  /// Lets go of what has ended, and starts what waits for that. To be called when something has happened, and at the
  /// time that it returns, if any.
  std::optional<time_point> settle();

  /// Whether nothing that is configured waits for what it replaces to end.
  bool is_settled() const;

  /// Ends what brings records, then what stores them, within the configuration's `drain_timeout`. A signal to end cuts
  /// that short; `signals` is null where the program has signals of its own.
  exit_code stop(signal_wait* signals);

private:
  std::optional<startup_error> start_operations();
  std::optional<startup_error> start_receiving();
  std::optional<startup_error> ship_leftovers();
  std::optional<startup_error> start_source(const std::string& name, const ship_options& options);
  std::optional<startup_error> open_new(const configuration& next, reload_plan& plan);
  void end_source(const std::string& name);
  void end_lanes(std::vector<running_pipeline> lanes, bool is_relay);
  exit_code end(running_pipeline& x, signal_wait* signals, time_point deadline);

  actor_process& process_;
  configuration config_;
  std::unique_ptr<http_listener> operations_;
  std::unique_ptr<receive_node> receive_;
  std::map<std::string, running_pipeline> sources_;
  departures departures_;
  std::set<std::string> successors_; ///< Sources that wait for those that they replace to end, or could not be started.
  time_point retry_at_{};            ///< Of a successor that could not be started.
};

} // namespace sluice

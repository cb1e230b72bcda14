#pragma once

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "deploy/configuration.hpp"
#include "deploy/process.hpp"
#include "deploy/receive_node.hpp"
#include "deploy/ship_node.hpp"

namespace sluice {

/// What a configuration names, running. `process` must outlive it. Not thread-safe.
class node {
public:
  explicit node(actor_process& process) : process_(process) {}

  /// Opens everything, what stores before what brings records. If that fails, `stop` ends what has been started.
  std::optional<startup_error> start(configuration config);

  /// Whether it cannot go on.
  bool has_failed() const;

  /// Ends what brings records, then what stores them, within the configuration's `drain_timeout`. A signal to end cuts
  /// that short; `signals` is null where the program has signals of its own.
  exit_code stop(signal_wait* signals);

private:
  struct running_source {
    ship_node node;
    std::future<expected<ship_report>> drained; ///< Not before it is stopped, unless it fails.
  };

  std::optional<startup_error> start_receiving();
  std::optional<startup_error> start_source(const std::string& name, const ship_options& options);
  exit_code end(
    const std::string& name, running_source& x, signal_wait* signals, std::chrono::steady_clock::time_point deadline);

  actor_process& process_;
  configuration config_;
  std::unique_ptr<receive_node> receive_;
  std::map<std::string, running_source> sources_;
};

} // namespace sluice

#pragma once

#include <chrono>
#include <optional>

#include <caf/actor_system_config.hpp>

#include "actors/runtime/environment.hpp"
#include "transport/executor.hpp"
#include "transport/posix_file_system.hpp"
#include "transport/tcp_network.hpp"

namespace sluice {

/// How every process configures CAF: as many workers as processors, asleep when there is nothing to do, metrics of
/// all actors on.
class actor_config : public caf::actor_system_config {
public:
  actor_config();
};

/// The real seams. Make it before the actor system and after `signal_wait`; it must outlive the system.
class real_environment {
public:
  real_environment();
  environment& get() noexcept { return env_; }

private:
  posix_file_system files_;
  std::unique_ptr<executor> io_;
  tcp_network network_;
  environment env_;
};

/// The place where the main thread waits while actors work. Make one before any thread: it blocks SIGINT, SIGTERM and
/// SIGHUP in all of them.
class signal_wait {
public:
  signal_wait();

  enum class event {
    terminate, ///< SIGINT or SIGTERM
    reload,    ///< SIGHUP
    woken,     ///< `wake` was called
    timeout,
  };

  /// Waits for the next event, at most until `deadline`.
  event wait(std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt);

  /// Ends the present or next `wait`. Thread-safe.
  static void wake();
};

} // namespace sluice

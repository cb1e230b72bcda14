#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/runtime/backoff.hpp"
#include "actors/runtime/task.hpp"
#include "messages/errc.hpp"

/// Supervision: docs/architecture/supervision.md has the properties.

namespace sluice {

/// Who is started again when a child fails.
enum class restart_strategy {
  one_for_one,  ///< That child.
  one_for_all,  ///< All children.
  rest_for_one, ///< That child and those started after it.
};

/// How often children may fail, all together, before their supervisor gives up.
struct restart_intensity {
  unsigned restarts = 5;
  std::chrono::milliseconds within{60'000};
};

/// The children that run, by name.
class running_children {
public:
  void set(const std::string& name, caf::actor handle) { handles_[name] = std::move(handle); }
  void erase(const std::string& name) { handles_.erase(name); }

  /// Null if it does not run.
  template <class Handle>
  Handle get(const std::string& name) const {
    auto found = handles_.find(name);
    return found == handles_.end() ? Handle{} : caf::actor_cast<Handle>(found->second);
  }

private:
  std::map<std::string, caf::actor> handles_;
};

/// Starts a child. Runs on the supervisor `self`; may take its time, and may fail. `running` holds at least the
/// children before it, and may be used until the function's first wait.
using start_function =
  std::function<task<expected<caf::actor>>(caf::scheduled_actor* self, const running_children& running)>;

namespace detail {

inline task<expected<caf::actor>> started(caf::actor child) {
  co_return child;
}

} // namespace detail

/// A start function out of one that takes the running children and returns any kind of handle at once.
template <class F>
start_function at_once(F start) {
  return [start = std::move(start)](caf::scheduled_actor*, const running_children& running) {
    return detail::started(caf::actor_cast<caf::actor>(start(running)));
  };
}

struct child_spec {
  std::string name; ///< For the log and the metrics; unique among its siblings.
  start_function start;
};

struct supervisor_config {
  std::string name; ///< For the log.
  restart_strategy strategy = restart_strategy::one_for_one;
  restart_intensity intensity{};
  /// Before a restart. Begins anew after a time without failure (`intensity.within`).
  backoff_config backoff{.initial = std::chrono::milliseconds{200}, .max = std::chrono::milliseconds{10'000}};
  std::vector<child_spec> children{}; ///< In the order in which they are started.
  /// Hears of every start and end. Called on the supervisor; must not block.
  std::function<void(child_change)> on_change = [](const child_change&) {};
};

/// Starts a supervisor, which starts its children. A child that ends normally is not started again; a supervisor whose
/// children have all ended normally does so too. It ends with errc::actor_failed when they fail too often. `seed` is
/// that of the backoff.
supervisor_actor spawn_supervisor(caf::actor_system& system, std::uint64_t seed, supervisor_config config);

} // namespace sluice

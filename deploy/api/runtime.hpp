#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "deploy/cli.hpp"
#include "deploy/process.hpp"

namespace sluice {

/// Why something could not be started, as a program is told.
error to_error(const startup_error& reason);

/// What has actors that a runtime runs.
class runtime_user {
public:
  virtual ~runtime_user() = default;

  /// Lets them do what they still can, and ends them. Once for all.
  virtual void end() = 0;
};

/// What nodes and shippers of a program share. It lives as long as the last of them, or until the program exits: then
/// it ends its users before anything that they need is destroyed, for a global, such as a logger, may keep them.
/// Thread-safe.
///
/// CAF leaves in each thread that makes an actor system, or spawns an actor, a reference to its logger, and an actor
/// system does not end before the last of these is gone. So one thread does all of that: the program's threads come and
/// go as they like, and their thread-local objects are destroyed before the program's exit handlers run.
class runtime {
public:
  static std::shared_ptr<runtime> start();

  ~runtime();

  /// Does `work` on the thread that may spawn actors, and gives back what it returns. Not from that thread.
  template <class F>
  auto run(F work) {
    std::packaged_task<std::invoke_result_t<F&>()> task{std::move(work)};
    auto result = task.get_future();
    thread_->post([&task] { task(); });
    return result.get();
  }

  /// Null once the program exits.
  actor_process* process() noexcept { return process_ ? &*process_ : nullptr; }

  /// Whether this is a child of fork(2), which has none of the threads.
  bool is_forked() const noexcept;

  /// What is added last is ended first.
  void add(runtime_user& user);
  void remove(runtime_user& user);

private:
  runtime();

  void shut_down();
  static void shut_down_all();

  const unsigned forks_;
  std::mutex mutex_;
  std::vector<runtime_user*> users_;
  std::unique_ptr<executor> thread_;
  std::optional<actor_process> process_;
};

/// Keeps `x` for ever if this is a forked child: nobody is there to answer when it is ended.
template <class T>
void leave_behind_if_forked(std::unique_ptr<T>& x) {
  if (x && x->shared->is_forked())
    static_cast<void>(x.release());
}

} // namespace sluice

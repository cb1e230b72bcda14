#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>

#include "actors/errors.hpp"
#include "actors/runtime/environment.hpp"
#include "transport/datagram_tally.hpp"
#include "transport/executor.hpp"
#include "transport/posix_file_system.hpp"
#include "transport/socket_network.hpp"
#include "transport/tls_contexts.hpp"

namespace sluice {

/// How every process configures CAF: as many workers as processors, asleep when there is nothing to do, metrics of
/// all actors on.
class actor_config : public caf::actor_system_config {
public:
  actor_config();
};

/// The real seams.
class real_environment {
public:
  real_environment();
  environment& get() noexcept { return env_; }
  tls_contexts& tls() noexcept { return network_.tls(); }
  datagram_tally& datagrams() noexcept { return network_.datagrams(); }

  /// Waits for blocking work that is under way; nothing can be posted any more.
  void finish_io() { io_.reset(); }

private:
  posix_file_system files_;
  std::unique_ptr<executor> io_;
  socket_network network_;
  environment env_;
};

/// What every process that runs actors has, in the order in which it has to go: make it after `signal_wait`, and
/// end all actors before it is destroyed.
class actor_process {
public:
  /// A program that is not only ours keeps its own limit of open files.
  explicit actor_process(bool raises_file_limit = true);
  ~actor_process();

  environment& env() noexcept { return world_.get(); }
  tls_contexts& tls() noexcept { return world_.tls(); }
  caf::actor_system& system() noexcept { return system_; }

private:
  actor_config config_;
  real_environment world_;
  caf::actor_system system_;
};

/// The place where the main thread waits while actors work. Make one before any thread: it blocks SIGINT, SIGTERM and
/// SIGHUP in all of them.
class signal_wait {
public:
  signal_wait();

  /// A request to end that comes so soon after the first one is the same: `timeout` tells the process and then its
  /// whole group, and a terminal may tell both a program and its parent, which passes it on.
  static constexpr std::chrono::milliseconds echo_time{500};

  enum class event {
    terminate, ///< SIGINT or SIGTERM, once for all within `echo_time` of the first one
    reload,    ///< SIGHUP
    woken,     ///< `wake` was called
    timeout,
  };

  /// Waits for the next event, at most until `deadline`.
  event wait(std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt);

  /// Ends the present or next `wait`, if the process waits for signals at all. Thread-safe.
  static void wake();

private:
  bool is_echo();

  std::optional<std::chrono::steady_clock::time_point> first_termination_;
};

/// Asks an actor, and calls `done` with the answer or why there is none, on an actor.
template <class Answer, class Handle, class Question, class Done>
void ask_then(caf::actor_system& system, const Handle& actor, Question question, Done done) {
  system.spawn([=](caf::event_based_actor* self) {
    auto tell = [done](expected<Answer> answer) { done(std::move(answer)); };
    auto pending = self->request(actor, caf::infinite, question);
    auto on_error = [tell](const caf::error& reason) { tell(fail(from_caf(reason))); };
    if constexpr (std::is_void_v<Answer>)
      std::move(pending).then([tell] { tell({}); }, on_error);
    else
      std::move(pending).then([tell](Answer& x) { tell(std::move(x)); }, on_error);
  });
}

/// Asks an actor, and wakes the main thread when it has answered or cannot.
template <class Answer, class Handle, class Question>
std::future<expected<Answer>> ask(caf::actor_system& system, const Handle& actor, Question question) {
  auto promise = std::make_shared<std::promise<expected<Answer>>>();
  ask_then<Answer>(system, actor, question, [promise](expected<Answer> answer) {
    promise->set_value(std::move(answer));
    signal_wait::wake();
  });
  return promise->get_future();
}

/// Waits until `answer` is there. Returns whether it is, as opposed to that the time is over or that there was a signal
/// to end; there is none if `signals` is null.
template <class Answer>
bool wait_for(signal_wait* signals, const std::future<Answer>& answer,
  std::optional<std::chrono::steady_clock::time_point> deadline) {
  if (!signals)
    return answer.wait_until(deadline.value_or(std::chrono::steady_clock::time_point::max())) ==
           std::future_status::ready;
  for (;;) {
    if (answer.wait_for(std::chrono::seconds{0}) == std::future_status::ready)
      return true;
    if (auto event = signals->wait(deadline);
        event == signal_wait::event::timeout || event == signal_wait::event::terminate)
      return false;
  }
}

} // namespace sluice

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/detail/test_actor_clock.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "actors/errors.hpp"
#include "actors/interfaces.hpp"
#include "actors/runtime/environment.hpp"
#include "tests/support/sim_network.hpp"
#include "transport/executor.hpp"

/// A cluster in one thread: processes, each an actor system of its own, on machines, joined by a simulated network,
/// all in one virtual time. One seed decides everything, and the same seed gives the same run.

namespace sluice::test {

class sim_file_system;
class sim_process;

struct sim_options {
  sim_network_options net;
  std::chrono::nanoseconds max_io_delay{20'000'000}; ///< How long a blocking call takes at most.
};

/// Virtual time and randomness, and the loop that drives all processes.
class sim_world {
public:
  explicit sim_world(std::uint64_t seed, sim_options options = {});
  ~sim_world();
  sim_world(const sim_world&) = delete;

  using time_point = caf::actor_clock::time_point;

  time_point now() const noexcept { return clock_.now(); }
  timestamp time_of_day(const std::string& host) const;
  /// Sets the host's time of day forward, or back.
  void shift_time_of_day(const std::string& host, std::chrono::nanoseconds by) { clock_errors_[host] += by; }
  caf::actor_clock& clock() noexcept { return clock_; }
  sim_network& net() noexcept { return net_; }
  std::uint64_t random_below(std::uint64_t bound) { return random_() % bound; }

  /// Nothing happens in the host's present process, and nothing goes in or comes out, until it thaws or ends.
  void freeze(const std::string& host);
  void thaw(const std::string& host);

  /// Runs `work` between two steps, `delay` from now.
  void after(caf::timespan delay, std::function<void()> work);

  /// Runs until `done` says so; at most until `limit` has passed. Returns whether it is done.
  bool run_until(const std::function<bool()>& done, caf::timespan limit);
  void run_for(caf::timespan duration);

  /// A hash of the run so far.
  std::uint64_t trace() const noexcept;

  /// Jobs of actors that have run.
  std::uint64_t jobs() const noexcept { return jobs_; }

private:
  friend class sim_executor;
  friend class sim_process;

  bool run_job();
  /// The clock whose next event is first, if that is due by `latest`.
  caf::detail::test_actor_clock* next_clock(time_point latest);
  void set_time(time_point now);

  sim_options options_;
  std::mt19937_64 random_;
  caf::detail::test_actor_clock clock_;
  sim_network net_;
  std::vector<sim_process*> processes_;
  std::map<std::string, std::chrono::nanoseconds> clock_errors_;
  std::uint64_t jobs_ = 0;
};

/// Runs work as actions of the virtual clock, in any order. What has not run when it is stopped never does.
class sim_executor : public executor {
public:
  explicit sim_executor(sim_world& world) : world_(world), pending_(std::make_shared<work_table>()) {}

  void post(std::function<void()> work) override;
  void stop() { pending_.reset(); }

private:
  using work_table = std::map<std::uint64_t, std::function<void()>>;
  sim_world& world_;
  std::shared_ptr<work_table> pending_;
  std::uint64_t next_ = 0;
};

/// One process of a host. Destroying it is `kill -9`: its links die and its actors end where they are.
class sim_process {
public:
  sim_process(sim_world& world, std::string host, sim_file_system& files, std::uint64_t seed);
  ~sim_process();
  sim_process(const sim_process&) = delete;

  /// When it was started or has thawed; nothing while it is frozen.
  std::optional<sim_world::time_point> awake_since() const noexcept { return awake_since_; }

  caf::actor_system& system() noexcept { return *system_; }
  environment& env() noexcept { return env_; }

  /// Ends `actor` with the process. Every actor must end with the process, by this or because those have.
  template <class Handle>
  Handle own(Handle actor) {
    owned_.push_back(caf::actor_cast<caf::actor>(actor));
    return actor;
  }

  /// Asks an actor, and keeps the answer for when it comes.
  template <class Result, class Handle, class... Ts>
  std::shared_ptr<std::optional<expected<Result>>> ask(Handle actor, Ts... question) {
    auto answer = std::make_shared<std::optional<expected<Result>>>();
    own(caf::actor{system_->spawn([=](caf::event_based_actor* self) {
      auto keep_error = [=](const caf::error& reason) { *answer = fail(from_caf(reason)); };
      auto pending = self->request(actor, caf::infinite, question...);
      if constexpr (std::is_void_v<Result>)
        std::move(pending).then([=] { answer->emplace(); }, keep_error);
      else
        std::move(pending).then([=](const Result& x) { *answer = x; }, keep_error);
    })});
    return answer;
  }

private:
  friend class sim_world;

  sim_world& world_;
  std::string host_;
  std::optional<sim_world::time_point> awake_since_;
  std::unique_ptr<network> net_;
  std::unique_ptr<sim_executor> io_;
  environment env_;
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  caf::scheduler::test_coordinator* scheduler_ = nullptr;
  std::vector<caf::actor> owned_;
};

} // namespace sluice::test

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/stateful_actor.hpp>
#include <gtest/gtest.h>

#include "actors/runtime/awaitables.hpp"
#include "actors/type_ids.hpp"

namespace sluice::test {

/// An actor system whose messages and time move only when the test says so.
class runtime : public testing::Test {
protected:
  struct config : caf::actor_system_config {
    config() {
      init_meta_objects();
      set("caf.scheduler.policy", "testing");
    }
  };

  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }

  /// Runs all messages that are there.
  void run() { scheduler().run(); }

  void pass(caf::timespan time) {
    scheduler().advance_time(time);
    run();
  }

  void end(const caf::actor& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
    run();
  }

  void TearDown() override {
    for (auto& actor : owned_)
      caf::anon_send_exit(actor, caf::exit_reason::kill);
    owned_.clear();
    run();
  }

  /// What an actor has: coroutines, and what they use.
  struct coroutine_state {
    explicit coroutine_state(caf::event_based_actor* owner) : self(owner), wake(owner) {}
    caf::event_based_actor* self;
    sluice::signal wake;
    task_scope tasks;
    static inline const char* name = "coroutine-actor";
  };

  using coroutine_actor = caf::stateful_actor<coroutine_state>;
  using body = std::function<task<void>(coroutine_actor*)>;

  /// Starts an actor that runs `work` as a coroutine. It also runs the actions that it is sent, and answers a number
  /// with its double.
  caf::actor start(body work) {
    auto made = system_.spawn([work](coroutine_actor* self) -> caf::behavior {
      self->state.tasks.spawn(work(self));
      return {
        [](std::int32_t x) { return 2 * x; },
        [](caf::unit_t) {},
      };
    });
    owned_.push_back(made);
    return made;
  }

  /// Runs `work` on the actor as a message.
  template <class F>
  void on(const caf::actor& actor, F work) {
    run_on(caf::actor_cast<caf::strong_actor_ptr>(actor), std::move(work));
    run();
  }

  std::vector<std::string> log_;
  config config_;
  caf::actor_system system_{config_};
  std::vector<caf::actor> owned_;
};

/// Says when it is destroyed.
class witness {
public:
  witness(std::vector<std::string>& log, std::string word) : log_(&log), word_(std::move(word)) {}
  witness(witness&& other) noexcept : log_(std::exchange(other.log_, nullptr)), word_(std::move(other.word_)) {}
  ~witness() {
    if (log_)
      log_->push_back(word_);
  }

private:
  std::vector<std::string>* log_;
  std::string word_;
};

/// Runs work when told to, on the calling thread.
class manual_executor : public executor {
public:
  void post(std::function<void()> work) override { work_.push_back(std::move(work)); }
  void run() {
    for (auto& work : std::exchange(work_, {}))
      work();
  }
  std::size_t size() const noexcept { return work_.size(); }

private:
  std::vector<std::function<void()>> work_;
};

} // namespace sluice::test

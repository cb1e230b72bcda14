#include <stdexcept>

#include <caf/typed_event_based_actor.hpp>

#include "tests/unit/runtime_support.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;
using words = std::vector<std::string>;
using doubler = caf::typed_actor<caf::result<std::int32_t>(std::int32_t), caf::result<void>(std::string)>;

task<void> sleep_twice(caf::event_based_actor* self, words* log, witness) {
  co_await sleep_for(self, 5s);
  log->push_back(self->current_mailbox_element() ? "woke in a message" : "woke elsewhere");
  co_await sleep_for(self, 1ms);
  log->push_back("end");
}

task<void> ask(caf::event_based_actor* self, doubler peer, words* log, witness) {
  auto answer = co_await request(self, peer, 30s, std::int32_t{21});
  log->push_back(answer ? std::to_string(*answer) : to_string(answer.error()));
}

task<void> tell(caf::event_based_actor* self, doubler peer, words* log) {
  auto answer = co_await request(self, peer, 30s, std::string{"hello"});
  log->push_back(answer ? "told" : to_string(answer.error()));
}

task<void> compute(caf::event_based_actor* self, executor* io, words* log, witness) {
  auto result = co_await run_blocking(self, *io, [] { return std::string{"computed"}; });
  log->push_back(result);
}

task<void> count_notifications(signal* wake, words* log, witness) {
  for (;;) {
    co_await wake->wait();
    log->push_back("notified");
  }
}

task<void> wait_with_timeout(signal* wake, words* log, witness) {
  auto notified = co_await wake->wait_for(10s);
  log->push_back(notified ? "notified" : "timeout");
}

task<void> sleep_and_throw(caf::event_based_actor* self, witness) {
  co_await sleep_for(self, 1s);
  throw std::runtime_error("broken");
}

} // namespace

class runtime_awaitables : public runtime {
protected:
  /// Answers a number with its double, or never.
  doubler peer(bool silent = false) {
    auto made = system_.spawn([silent](doubler::pointer self) -> doubler::behavior_type {
      auto held = std::make_shared<std::vector<caf::typed_response_promise<std::int32_t>>>();
      return {
        [=](std::int32_t x) -> caf::result<std::int32_t> {
          if (!silent)
            return 2 * x;
          held->push_back(self->make_response_promise<std::int32_t>());
          return held->back();
        },
        [](const std::string&) {},
      };
    });
    owned_.push_back(caf::actor_cast<caf::actor>(made));
    return made;
  }

  witness mark() { return {log_, "destroyed"}; }
  manual_executor io_;
};

// -- sleep --------------------------------------------------------------------

TEST_F(runtime_awaitables, sleep_wakes_on_time_in_a_message_of_the_actor) {
  start([this](auto* self) { return sleep_twice(self, &log_, mark()); });
  run();
  pass(4999ms);
  EXPECT_TRUE(log_.empty());
  scheduler().advance_time(1ms);
  EXPECT_TRUE(log_.empty()) << "the clock itself resumes nobody";
  run();
  EXPECT_EQ(log_, words{"woke in a message"});
  pass(1ms);
  EXPECT_EQ(log_, (words{"woke in a message", "end", "destroyed"}));
}

TEST_F(runtime_awaitables, sleep_ends_with_the_actor) {
  auto actor = start([this](auto* self) { return sleep_twice(self, &log_, mark()); });
  run();
  end(actor);
  EXPECT_EQ(log_, words{"destroyed"});
  EXPECT_FALSE(scheduler().has_pending_timeout()) << "the timer is disposed";
  pass(10s);
  EXPECT_EQ(log_, words{"destroyed"});
}

TEST_F(runtime_awaitables, exception_ends_the_actor) {
  auto actor = start([this](auto* self) { return sleep_and_throw(self, mark()); });
  auto heard = std::make_shared<caf::error>();
  owned_.push_back(system_.spawn([actor, heard](caf::event_based_actor* self) -> caf::behavior {
    self->monitor(actor);
    self->set_down_handler([heard](const caf::down_msg& x) { *heard = x.reason; });
    return {[](caf::unit_t) {}};
  }));
  run();
  pass(1s);
  EXPECT_EQ(*heard, caf::sec::runtime_error);
  EXPECT_EQ(log_, words{"destroyed"});
}

// -- request ------------------------------------------------------------------

TEST_F(runtime_awaitables, request_yields_the_answer) {
  auto to = peer();
  start([this, to](auto* self) { return ask(self, to, &log_, mark()); });
  start([this, to](auto* self) { return tell(self, to, &log_); });
  run();
  EXPECT_EQ(log_, (words{"42", "destroyed", "told"}));
}

// A receiver asks storage once per frame: timers that stay for a minute would be sorted again for every frame.
TEST_F(runtime_awaitables, request_leaves_no_timer_when_it_is_answered) {
  auto to = peer();
  start([this, to](auto* self) { return ask(self, to, &log_, mark()); });
  run();
  EXPECT_EQ(log_, (words{"42", "destroyed"}));
  EXPECT_FALSE(scheduler().clock().has_pending_timeout());
}

TEST_F(runtime_awaitables, request_yields_an_error_after_its_timeout) {
  auto to = peer(true);
  start([this, to](auto* self) { return ask(self, to, &log_, mark()); });
  run();
  pass(29'999ms);
  EXPECT_TRUE(log_.empty());
  pass(1ms);
  EXPECT_EQ(log_, (words{"caf::sec::request_timeout", "destroyed"}));
}

TEST_F(runtime_awaitables, request_yields_an_error_when_the_peer_dies) {
  auto to = peer(true);
  start([this, to](auto* self) { return ask(self, to, &log_, mark()); });
  run();
  EXPECT_TRUE(log_.empty());
  end(caf::actor_cast<caf::actor>(to));
  ASSERT_EQ(log_.size(), 2);
  EXPECT_EQ(log_.front(), "caf::sec::broken_promise");
}

TEST_F(runtime_awaitables, request_to_the_dead_yields_an_error) {
  auto to = peer();
  end(caf::actor_cast<caf::actor>(to));
  start([this, to](auto* self) { return ask(self, to, &log_, mark()); });
  run();
  EXPECT_EQ(log_, (words{"caf::sec::request_receiver_down", "destroyed"}));
}

TEST_F(runtime_awaitables, request_ends_with_the_actor_and_the_answer_is_dropped) {
  auto to = peer(true);
  auto actor = start([this, to](auto* self) { return ask(self, to, &log_, mark()); });
  run();
  end(actor);
  EXPECT_EQ(log_, words{"destroyed"});
  pass(1min);
  EXPECT_EQ(log_, words{"destroyed"});
}

// -- run_blocking -------------------------------------------------------------

TEST_F(runtime_awaitables, run_blocking_comes_back_as_a_message) {
  start([this](auto* self) { return compute(self, &io_, &log_, mark()); });
  run();
  ASSERT_EQ(io_.size(), 1);
  io_.run();
  EXPECT_TRUE(log_.empty()) << "the executor resumes nobody";
  run();
  EXPECT_EQ(log_, (words{"computed", "destroyed"}));
}

TEST_F(runtime_awaitables, run_blocking_is_dropped_when_the_actor_has_ended) {
  auto actor = start([this](auto* self) { return compute(self, &io_, &log_, mark()); });
  run();
  end(actor);
  EXPECT_EQ(log_, words{"destroyed"});
  io_.run();
  run();
  EXPECT_EQ(log_, words{"destroyed"});
}

TEST_F(runtime_awaitables, run_blocking_is_dropped_when_the_actor_ends_before_it_reads_the_result) {
  auto actor = start([this](auto* self) { return compute(self, &io_, &log_, mark()); });
  run();
  io_.run(); // its result is in the mailbox
  caf::anon_send_exit(actor, caf::exit_reason::kill);
  run();
  EXPECT_EQ(log_.back(), "destroyed");
}

TEST_F(runtime_awaitables, run_blocking_never_comes_back_if_the_executor_forgets_it) {
  auto forgetful = std::make_unique<manual_executor>();
  auto actor = start([this, io = forgetful.get()](auto* self) { return compute(self, io, &log_, mark()); });
  run();
  forgetful.reset();
  run();
  EXPECT_TRUE(log_.empty());
  end(actor);
  EXPECT_EQ(log_, words{"destroyed"});
}

// -- answer_with --------------------------------------------------------------

namespace {

using answerer = caf::typed_actor<caf::result<std::int32_t>(std::int32_t), caf::result<void>(std::string)>;

task<caf::expected<std::int32_t>> half_later(caf::scheduled_actor* self, std::int32_t x) {
  co_await sleep_for(self, 1s);
  if (x % 2 != 0)
    co_return caf::make_error(caf::sec::invalid_argument);
  co_return x / 2;
}

task<caf::expected<void>> nod_later(caf::scheduled_actor* self) {
  co_await sleep_for(self, 1s);
  co_return caf::unit;
}

struct answerer_state {
  explicit answerer_state(answerer::pointer owner) : self(owner) {}

  answerer::behavior_type make_behavior() {
    return {
      [this](std::int32_t x) { return answer_with<std::int32_t>(self, tasks, half_later(self, x)); },
      [this](const std::string&) { return answer_with<void>(self, tasks, nod_later(self)); },
    };
  }

  answerer::pointer self;
  task_scope tasks;
  static inline const char* name = "answerer";
};

task<void> ask_for(caf::event_based_actor* self, answerer peer, std::int32_t x, words* log) {
  auto answer = co_await request(self, peer, 30s, x);
  log->push_back(answer ? std::to_string(*answer) : to_string(answer.error()));
}

task<void> ask_for_nod(caf::event_based_actor* self, answerer peer, words* log) {
  auto answer = co_await request(self, peer, 30s, std::string{"well?"});
  log->push_back(answer ? "nod" : to_string(answer.error()));
}

} // namespace

TEST_F(runtime_awaitables, answer_with_delivers_values_and_errors_and_holds_up_nobody) {
  auto to = system_.spawn<answerer::stateful_impl<answerer_state>>();
  owned_.push_back(caf::actor_cast<caf::actor>(to));
  start([this, to](auto* self) { return ask_for(self, to, 84, &log_); });
  start([this, to](auto* self) { return ask_for(self, to, 7, &log_); });
  start([this, to](auto* self) { return ask_for_nod(self, to, &log_); });
  run();
  EXPECT_TRUE(log_.empty());
  pass(1s);
  EXPECT_EQ(log_, (words{"42", "caf::sec::invalid_argument", "nod"})) << "all at once, not one after the other";
}

TEST_F(runtime_awaitables, answer_with_breaks_its_promise_when_the_actor_ends) {
  auto to = system_.spawn<answerer::stateful_impl<answerer_state>>();
  start([this, to](auto* self) { return ask_for(self, to, 84, &log_); });
  run();
  end(caf::actor_cast<caf::actor>(to));
  EXPECT_EQ(log_, words{"caf::sec::broken_promise"});
}

// -- signal -------------------------------------------------------------------

TEST_F(runtime_awaitables, signal_resumes_from_a_message_of_its_own_and_coalesces) {
  auto actor = start([this](auto* self) { return count_notifications(&self->state.wake, &log_, mark()); });
  run();
  auto* state = &caf::actor_cast<coroutine_actor*>(actor)->state;
  on(actor, [this, state] {
    state->wake.notify();
    log_.push_back("after the first");
    state->wake.notify();
    log_.push_back("after the second");
  });
  EXPECT_EQ(log_, (words{"after the first", "after the second", "notified"}));
}

TEST_F(runtime_awaitables, signal_is_kept_for_the_next_wait) {
  auto actor = start([this](auto* self) {
    self->state.wake.notify();
    self->state.wake.notify();
    return count_notifications(&self->state.wake, &log_, mark());
  });
  run();
  EXPECT_EQ(log_, words{"notified"});
  end(actor);
  EXPECT_EQ(log_, (words{"notified", "destroyed"}));
}

TEST_F(runtime_awaitables, signal_wait_times_out) {
  start([this](auto* self) { return wait_with_timeout(&self->state.wake, &log_, mark()); });
  run();
  pass(9999ms);
  EXPECT_TRUE(log_.empty());
  pass(1ms);
  EXPECT_EQ(log_, (words{"timeout", "destroyed"}));
}

TEST_F(runtime_awaitables, signal_beats_the_timeout_and_disposes_the_timer) {
  auto actor = start([this](auto* self) { return wait_with_timeout(&self->state.wake, &log_, mark()); });
  run();
  pass(9s);
  on(actor, [state = &caf::actor_cast<coroutine_actor*>(actor)->state] { state->wake.notify(); });
  EXPECT_EQ(log_, (words{"notified", "destroyed"}));
  EXPECT_FALSE(scheduler().has_pending_timeout());
}

TEST_F(runtime_awaitables, signal_and_timeout_at_once_lose_no_notification) {
  auto actor = start([this](auto* self) { return wait_with_timeout(&self->state.wake, &log_, mark()); });
  run();
  scheduler().advance_time(10s); // the timeout is in the mailbox
  on(actor, [state = &caf::actor_cast<coroutine_actor*>(actor)->state] { state->wake.notify(); });
  ASSERT_EQ(log_, (words{"timeout", "destroyed"}));
  on(actor, [this, state = &caf::actor_cast<coroutine_actor*>(actor)->state] {
    state->tasks.spawn(count_notifications(&state->wake, &log_, mark()));
  });
  EXPECT_EQ(log_, (words{"timeout", "destroyed", "notified"})) << "the notification was kept";
}

} // namespace sluice::test

#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/metric_registry.hpp>
#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/supervision/supervisor.hpp"
#include "tests/unit/runtime_support.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;
using words = std::vector<std::string>;
using testing::ElementsAre;
using testing::HasSubstr;

task<expected<caf::actor>> start_late(caf::scheduled_actor* self, std::function<expected<caf::actor>()> make) {
  co_await sleep_for(self, 10s);
  co_return make();
}

/// Children a, b and c, which say when they start and end.
class supervision : public runtime {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }

  caf::actor make(const std::string& name) {
    log_.push_back("+" + name);
    return system_.spawn([this, name](caf::event_based_actor* self) -> caf::behavior {
      self->attach_functor([this, name] { log_.push_back("-" + name); });
      return {[self](stop_atom) { self->quit(); }};
    });
  }

  child_spec child(const std::string& name) {
    return {name, at_once([this, name](auto&) { return make(name); })};
  }

  supervisor_config three(restart_strategy strategy) {
    supervisor_config made{.name = "tree", .strategy = strategy, .backoff = {.initial = 8ms, .max = 1s}};
    made.children = {child("a"), child("b"), child("c")};
    made.on_change = [this](const child_change& x) { now_[x.name] = x.handle; };
    return made;
  }

  void supervise(supervisor_config config) {
    supervisor_ = spawn_supervisor(system_, 1, std::move(config));
    owned_.push_back(caf::actor_cast<caf::actor>(supervisor_));
    owned_.push_back(system_.spawn([this](caf::event_based_actor* self) -> caf::behavior {
      self->monitor(supervisor_);
      self->set_down_handler([this](const caf::down_msg& x) { end_ = x.reason; });
      return {[](caf::unit_t) {}};
    }));
    run();
  }

  void kill(const std::string& name) { end(now_.at(name)); }

  /// Time passes in steps, as timers set each other.
  void pass_slowly(std::chrono::seconds time) {
    for (auto i = 0s; i < time; i += 1s)
      pass(1s);
  }

  /// What happens from now on until all is quiet.
  words after(const std::function<void()>& act) {
    log_.clear();
    act();
    pass(30s);
    return log_;
  }

  std::int64_t restarts(const std::string& actor) {
    return system_.metrics().counter_instance("sluice", "actor-restarts", {{"actor", actor}}, "", "1", true)->value();
  }

  supervisor_actor supervisor_;
  std::map<std::string, caf::actor> now_;
  std::optional<caf::error> end_; ///< Of the supervisor.
};

} // namespace

TEST_F(supervision, starts_children_in_order_and_ends_them_in_reverse) {
  supervise(three(restart_strategy::one_for_one));
  EXPECT_THAT(log_, ElementsAre("+a", "+b", "+c"));
  log_.clear();
  caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
  run();
  EXPECT_THAT(log_, ElementsAre("-c", "-b", "-a"));
  EXPECT_EQ(end_, caf::make_error(caf::exit_reason::user_shutdown));
}

TEST_F(supervision, one_for_one_starts_the_failed_child_alone) {
  supervise(three(restart_strategy::one_for_one));
  EXPECT_THAT(after([this] { kill("b"); }), ElementsAre("-b", "+b"));
}

TEST_F(supervision, one_for_all_ends_all_and_starts_all) {
  supervise(three(restart_strategy::one_for_all));
  EXPECT_THAT(after([this] { kill("b"); }), ElementsAre("-b", "-c", "-a", "+a", "+b", "+c"));
}

TEST_F(supervision, rest_for_one_starts_the_failed_child_and_those_after_it) {
  supervise(three(restart_strategy::rest_for_one));
  EXPECT_THAT(after([this] { kill("b"); }), ElementsAre("-b", "-c", "+b", "+c"));
  EXPECT_THAT(after([this] { kill("c"); }), ElementsAre("-c", "+c"));
  EXPECT_THAT(after([this] { kill("a"); }), ElementsAre("-a", "-c", "-b", "+a", "+b", "+c"));
}

TEST_F(supervision, copes_with_several_failures_at_once) {
  for (auto strategy : {restart_strategy::one_for_one, restart_strategy::one_for_all, restart_strategy::rest_for_one}) {
    supervise(three(strategy));
    auto seen = after([this] {
      caf::anon_send_exit(now_.at("c"), caf::exit_reason::kill);
      caf::anon_send_exit(now_.at("a"), caf::exit_reason::kill);
      run();
    });
    EXPECT_TRUE(now_["a"] && now_["b"] && now_["c"]);
    EXPECT_EQ(seen.size(), strategy == restart_strategy::one_for_one ? 4 : 6);
    end(caf::actor_cast<caf::actor>(supervisor_));
  }
}

TEST_F(supervision, starts_no_child_before_those_that_it_depends_on) {
  for (auto strategy : {restart_strategy::one_for_all, restart_strategy::rest_for_one}) {
    auto config = three(strategy);
    config.intensity.restarts = 1'000;
    supervise(std::move(config));
    for (auto i = 0; i < 20; ++i) { // the pauses are random: that of c may be the shorter one
      auto seen = after([this] {
        caf::anon_send_exit(now_.at("a"), caf::exit_reason::kill);
        caf::anon_send_exit(now_.at("c"), caf::exit_reason::kill);
        run();
      });
      std::erase_if(seen, [](auto& what) { return what.front() == '-'; });
      EXPECT_THAT(seen, ElementsAre("+a", "+b", "+c"));
    }
    end(caf::actor_cast<caf::actor>(supervisor_));
  }
}

TEST_F(supervision, passes_the_children_that_run_to_those_that_start) {
  auto config = three(restart_strategy::one_for_all);
  caf::actor seen;
  config.children[1].start = at_once([&](const running_children& running) {
    seen = running.get<caf::actor>("a");
    EXPECT_FALSE(running.get<caf::actor>("c"));
    return make("b");
  });
  supervise(std::move(config));
  auto first = seen;
  EXPECT_EQ(first, now_["a"]);
  after([this] { kill("a"); });
  EXPECT_EQ(seen, now_["a"]);
  EXPECT_NE(seen, first);
}

TEST_F(supervision, does_not_start_again_what_has_ended_normally) {
  supervise(three(restart_strategy::one_for_all));
  EXPECT_THAT(after([this] { caf::anon_send(now_["b"], stop_atom_v); }), ElementsAre("-b"));
  EXPECT_THAT(after([this] { kill("c"); }), ElementsAre("-c", "-a", "+a", "+c"));
  EXPECT_FALSE(end_);
  after([this] { caf::anon_send(now_["a"], stop_atom_v); });
  after([this] { caf::anon_send(now_["c"], stop_atom_v); });
  EXPECT_EQ(end_, caf::error{}) << "with its last child it ends normally too";
}

TEST_F(supervision, waits_before_a_restart_up_to_a_ceiling_that_doubles) {
  auto config = three(restart_strategy::one_for_one);
  config.intensity = {.restarts = 100, .within = 1h};
  supervise(std::move(config));
  auto longest = 0ms;
  for (auto ceiling : {8ms, 16ms, 32ms, 64ms, 128ms, 256ms, 512ms, 1000ms, 1000ms, 1000ms}) {
    log_.clear();
    kill("a");
    auto waited = 0ms;
    for (; log_.back() == "-a"; waited += 1ms)
      pass(1ms);
    EXPECT_LE(waited, ceiling);
    longest = std::max(longest, waited);
  }
  EXPECT_GT(longest, 100ms) << "jitter is full, but not that lucky";
}

TEST_F(supervision, gives_up_when_children_fail_too_often_within_the_time) {
  auto config = three(restart_strategy::one_for_one);
  config.intensity = {.restarts = 2, .within = 100s};
  supervise(std::move(config));
  after([this] { kill("a"); });
  after([this] { kill("b"); });
  EXPECT_FALSE(end_);
  auto seen = after([this] { kill("a"); });
  EXPECT_THAT(seen, ElementsAre("-a", "-c", "-b"));
  ASSERT_TRUE(end_);
  auto reason = from_caf(*end_);
  EXPECT_EQ(reason.code, errc::actor_failed);
  EXPECT_THAT(reason.message, HasSubstr("tree: a ended"));
}

TEST_F(supervision, forgets_failures_after_the_time) {
  auto config = three(restart_strategy::one_for_one);
  config.intensity = {.restarts = 2, .within = 100s};
  supervise(std::move(config));
  for (auto i = 0; i < 10; ++i) {
    after([this] { kill("a"); });
    pass(21s); // and 30 s after each: at most two others within 100 s
  }
  EXPECT_FALSE(end_);
}

TEST_F(supervision, counts_restarts_of_those_that_have_failed) {
  supervise(three(restart_strategy::one_for_all));
  after([this] { kill("b"); });
  after([this] { kill("b"); });
  after([this] { kill("c"); });
  EXPECT_EQ(restarts("a"), 0);
  EXPECT_EQ(restarts("b"), 2);
  EXPECT_EQ(restarts("c"), 1);
  caf::scoped_actor self{system_};
  std::vector<child_status> children;
  auto pending = self->request(supervisor_, caf::infinite, children_atom_v);
  run();
  pending.receive([&](std::vector<child_status>& x) { children = std::move(x); }, [](const caf::error&) { FAIL(); });
  ASSERT_EQ(children.size(), 3);
  EXPECT_EQ(children[1].name, "b");
  EXPECT_EQ(children[1].handle, now_["b"]);
  EXPECT_EQ(children[1].restarts, 2);
}

TEST_F(supervision, takes_a_start_that_fails_for_a_failure) {
  auto config = three(restart_strategy::rest_for_one);
  config.intensity.restarts = 3;
  auto failures = 3;
  config.children[1].start = [&](caf::scheduled_actor* self, const running_children&) {
    return start_late(self, [&]() -> expected<caf::actor> {
      if (failures-- > 0)
        return fail(errc::locked, "somebody has the key");
      return make("b");
    });
  };
  supervise(std::move(config));
  EXPECT_THAT(log_, ElementsAre("+a"));
  pass_slowly(120s);
  EXPECT_THAT(log_, ElementsAre("+a", "+b", "+c"));
  log_.clear();
  failures = 4;
  kill("b");
  pass_slowly(60s);
  EXPECT_THAT(log_, ElementsAre("-b", "-c", "-a"));
  ASSERT_TRUE(end_);
  EXPECT_THAT(from_caf(*end_).message, HasSubstr("b could not be started: somebody has the key"));
}

TEST_F(supervision, notices_a_child_that_ends_as_it_is_started) {
  auto config = three(restart_strategy::one_for_one);
  auto failures = 2;
  config.children[0].start = at_once([&](auto&) {
    auto made = make("a");
    if (failures-- > 0)
      end(made);
    return made;
  });
  supervise(std::move(config));
  pass(30s);
  EXPECT_THAT(log_, ElementsAre("+a", "-a", "+b", "+c", "+a", "-a", "+a"));
}

TEST_F(supervision, takes_its_children_along_when_it_is_killed) {
  supervise(three(restart_strategy::one_for_one));
  log_.clear();
  end(caf::actor_cast<caf::actor>(supervisor_));
  EXPECT_THAT(log_, testing::UnorderedElementsAre("-a", "-b", "-c"));
}

} // namespace sluice::test

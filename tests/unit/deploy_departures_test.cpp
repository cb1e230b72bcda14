#include <caf/typed_event_based_actor.hpp>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "deploy/departures.hpp"

namespace sluice {

namespace {

class left_pipelines : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }

  /// As one that has this to say once it is asked for its drain.
  running_pipeline start(caf::result<ship_report> answer) {
    auto actor = process.system().spawn([answer = std::move(answer)]() -> ship_pipeline_actor::behavior_type {
      return {
        [](status_atom) { return ship_report{}; },
        [answer](drain_atom) { return answer; },
        [](stop_atom) {},
        [](flush_atom) {},
        [](children_atom) { return std::vector<child_status>{}; },
        [](const child_change&) {},
      };
    });
    return watch(process.system(), {"left", actor, nullptr});
  }

  bool wait_for_all() { return leaving.wait(nullptr, std::chrono::steady_clock::now() + std::chrono::minutes{1}); }

  actor_process process;
  departures leaving;
};

} // namespace

TEST_F(left_pipelines, have_arrived_when_all_is_acknowledged) {
  leaving.add(start(ship_report{}), std::nullopt);
  EXPECT_TRUE(wait_for_all());
}

TEST_F(left_pipelines, have_not_arrived_if_one_has_failed) {
  leaving.add(start(caf::make_error(errc::actor_failed)), std::nullopt);
  leaving.add(start(ship_report{}), std::nullopt);
  EXPECT_FALSE(wait_for_all());
}

TEST_F(left_pipelines, end_though_nobody_looks) {
  auto left = start(ship_report{});
  EXPECT_EQ(left.ended.wait_for(std::chrono::minutes{1}), std::future_status::ready);
  EXPECT_TRUE(left.is_drained());
}

} // namespace sluice

#include <gtest/gtest.h>

#include "actors/stats/metrics.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

class stats_metrics : public testing::Test {
protected:
  stats_snapshot gather() { return metrics_of(world_, process_, stats_); }

  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "host", files_, 1};
  stats_actor stats_ = process_.own(spawn_stats_aggregator(process_.system(), process_.env(), {}));
};

} // namespace

TEST_F(stats_metrics, are_counted_by_component_under_their_documented_names) {
  component_metrics one{process_.system(), "one"}, other{process_.system(), "other"};
  one.received(10, 1000);
  one.received(1, 100);
  one.sent(4, 400);
  one.discarded("duplicate", 2);
  one.discarded("made_again", 1);
  one.failed(errc::io_error);
  one.in_flight(4, 500);
  other.received(7, 70);
  auto seen = gather();
  auto of_one = [&](std::string_view name) { return total(seen, name, {{"component_id", "one"}}); };
  EXPECT_EQ(of_one("component_received_events_total"), 11);
  EXPECT_EQ(of_one("component_received_bytes_total"), 1100);
  EXPECT_EQ(of_one("component_sent_events_total"), 4);
  EXPECT_EQ(of_one("component_sent_bytes_total"), 400);
  EXPECT_EQ(of_one("component_discarded_events_total"), 3);
  EXPECT_EQ(total(seen, "component_discarded_events_total", {{"reason", "duplicate"}}), 2);
  EXPECT_EQ(total(seen, "component_errors_total", {{"reason", "io_error"}}), 1);
  EXPECT_EQ(of_one("buffer_events"), 4);
  EXPECT_EQ(of_one("buffer_size_bytes"), 500);
  EXPECT_EQ(total(seen, "component_received_events_total"), 18);
  EXPECT_TRUE(ledger_of(seen, "one").balances());
  EXPECT_FALSE(ledger_of(seen, "other").balances());
}

TEST_F(stats_metrics, are_shared_by_several_of_one_component) {
  component_metrics a{process_.system(), "many"}, b{process_.system(), "many"};
  a.received(1, 1);
  b.received(2, 2);
  a.hold(1, 1);
  b.hold(2, 2);
  a.hold(-1, -1);
  auto found = ledger_of(gather(), "many");
  EXPECT_EQ(found.received, 3);
  EXPECT_EQ(found.held, 2);
}

TEST_F(stats_metrics, are_reported_at_intervals_with_the_time_of_day) {
  std::vector<timestamp> reports;
  process_.own(spawn_stats_aggregator(
    process_.system(), process_.env(), {10s, [&](const stats_snapshot& x) { reports.push_back(x.time); }}));
  world_.run_for(35s);
  ASSERT_EQ(reports.size(), 3);
  EXPECT_EQ(reports[1] - reports[0], 10s);
  EXPECT_LT(world_.time_of_day("client") - reports[2], 10s);
}

TEST_F(stats_metrics, aggregator_ends_when_told) {
  caf::anon_send(stats_, stop_atom_v);
  world_.run_for(1s);
  auto answer = process_.ask<stats_snapshot>(stats_, status_atom_v);
  world_.run_for(1s);
  ASSERT_TRUE(answer->has_value());
  EXPECT_FALSE((*answer)->has_value());
}

} // namespace sluice::test

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "actors/storage/storage_writer.hpp"
#include "actors/storage/store.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_node.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

class storage_alone : public testing::Test {
protected:
  storage_alone() { spdlog::set_level(spdlog::level::off); }

  void start() {
    auto opened = store::open(files_, "/store", options_, world_.time_of_day("server"));
    storage_ = process_.own(spawn_storage_writer(process_.system(), process_.env(), std::move(*opened)));
    stats_ = process_.own(spawn_stats_aggregator(process_.system(), process_.env(), {}));
  }

  /// How storage answers the next line.
  errc commit(const frame& x) {
    auto answer = process_.ask<ack>(storage_, x);
    world_.run_until([&] { return answer->has_value(); }, 500ms);
    return !*answer ? errc::timed_out : **answer ? errc::none : (**answer).error().code;
  }

  double metric(std::string_view name) { return total(metrics_of(world_, process_, stats_), name, {}); }

  std::uint64_t used_bytes() const { return files_.used_bytes(); }

  store_options options_;
  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "server", files_, 1};
  storage_writer_actor storage_;
  stats_actor stats_;
  frame_maker maker_{make_stream(1)};
};

} // namespace

TEST_F(storage_alone, is_full_until_there_is_space_and_says_so) {
  start();
  EXPECT_EQ(commit(maker_.lines("a\n")), errc::none);
  EXPECT_EQ(metric("sluice_storage_accepting"), 1);
  files_.set_capacity(used_bytes());
  auto next = maker_.lines("b\n");
  EXPECT_EQ(commit(next), errc::storage_full);
  EXPECT_EQ(metric("sluice_storage_accepting"), 0);
  files_.set_capacity(1'000'000);
  world_.run_for(1'100ms);
  EXPECT_EQ(metric("sluice_storage_accepting"), 1) << "found out by itself";
  EXPECT_EQ(commit(next), errc::none);
}

TEST_F(storage_alone, says_while_idle_that_the_disk_has_become_full) {
  start();
  EXPECT_EQ(commit(maker_.lines("a\n")), errc::none);
  files_.set_capacity(used_bytes());
  world_.run_for(11s);
  EXPECT_EQ(metric("sluice_storage_accepting"), 0);
}

TEST_F(storage_alone, lets_segments_expire_after_a_seal) {
  options_.segment_bytes = 1'000;
  options_.retention.bytes = 4'000;
  start();
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(commit(maker_.lines(std::string(400, 'x') + "\n")), errc::none);
    EXPECT_LT(used_bytes(), 6'000);
  }
  EXPECT_GT(metric("sluice_storage_expired_segments_total"), 10);
  EXPECT_GT(metric("sluice_storage_expired_records_total"), 20);
  EXPECT_GT(metric("sluice_storage_expired_bytes_total"), 10'000);
}

TEST_F(storage_alone, lets_segments_expire_with_time) {
  options_.segment_age = 1min;
  options_.retention.age = 5min;
  start();
  EXPECT_EQ(commit(maker_.lines("a\n")), errc::none);
  world_.run_for(5min);
  EXPECT_EQ(metric("sluice_storage_expired_segments_total"), 0);
  world_.run_for(2min);
  EXPECT_EQ(metric("sluice_storage_expired_segments_total"), 1);
}

} // namespace sluice::test

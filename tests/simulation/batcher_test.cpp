#include <caf/typed_event_based_actor.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/batcher/batcher.hpp"
#include "actors/compressor/compressor.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

/// A batcher and a compressor, with a source and a shipper by hand.
class batcher_and_compressor : public testing::Test {
protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    auto shipper = process_.own(process_.system().spawn([this](shipper_actor::pointer) -> shipper_actor::behavior_type {
      return {
        [this](const open_stream&) { log_.push_back("open"); },
        [this](const restart_stream&) { log_.push_back("restart"); },
        [this](const frame& x) { take(x); },
        [this](const end_stream&) { log_.push_back("end"); },
        [this](const close_stream&) { log_.push_back("close"); },
        [this](end_of_input_atom) { log_.push_back("done"); },
        [](const link_event&) {},
        [](status_atom) { return ship_status{}; },
        [](drain_atom) { return ship_status{}; },
      };
    }));
    upstream_ = process_.own(process_.system().spawn([](upstream_actor::pointer) -> upstream_actor::behavior_type {
      return {[](const welcome&) {}, [](const ack&) {}};
    }));
    auto compressor = process_.own(spawn_compressor(process_.system(), {}, shipper));
    batcher_ = process_.own(
      spawn_batcher(process_.system(), {.timeout = 1s}, std::make_shared<buffer_pool>(), std::move(compressor)));
    stats_ = process_.own(spawn_stats_aggregator(process_.system(), process_.env(), {}));
    tell(open_stream{stream_, {}, caf::actor_cast<caf::strong_actor_ptr>(upstream_)});
    tell(restart_stream{stream_, {}});
    world_.run_for(1ms);
    log_.clear();
  }

  void take(const frame& x) {
    EXPECT_EQ(x.header().sequence, ++sequence_);
    EXPECT_EQ(x.header().position_begin, std::exchange(position_, x.header().position_end));
    if (x.header().kind == frame_kind::records)
      log_.push_back(fmt::format("{} records", x.header().record_count));
    else
      log_.push_back(fmt::format("gap of {}: {}", x.header().record_count, as_text(x.payload())));
  }

  template <class Message>
  void tell(Message x) {
    caf::anon_send(batcher_, std::move(x));
  }

  void give(std::string_view text) {
    auto lines = std::make_shared<lines_payload>();
    lines->append(text);
    auto begin = std::exchange(given_, given_ + text.size());
    tell(chunk{stream_, lines, count_lines(text), begin, given_, at_seconds(1)});
  }

  void drop(std::uint32_t records, std::uint64_t bytes, std::string_view reason = gap_reason::drop_newest) {
    auto begin = std::exchange(given_, given_ + bytes);
    tell(gap{stream_, std::string{reason}, records, begin, given_, at_seconds(1), at_seconds(2)});
  }

  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "client", files_, 1};
  stream_id stream_ = make_stream(1);
  std::uint64_t given_ = 0, position_ = 0, sequence_ = 0;
  std::vector<std::string> log_;
  upstream_actor upstream_;
  batcher_actor batcher_;
  stats_actor stats_;
};

} // namespace

TEST_F(batcher_and_compressor, gaps_of_one_reason_become_one_frame_between_the_records) {
  give("a\nb\n");
  drop(1, 10);
  drop(2, 20);
  give("c\n");
  drop(3, 30);
  drop(4, 40, gap_reason::shed_by_severity);
  tell(end_stream{stream_, given_});
  world_.run_for(1ms);
  EXPECT_THAT(log_, ElementsAre("2 records", "gap of 3: drop_newest", "1 records", "gap of 3: drop_newest",
                      "gap of 4: shed_by_severity", "end"));
  EXPECT_EQ(position_, given_);
}

TEST_F(batcher_and_compressor, a_gap_waits_for_more_of_it_no_longer_than_a_batch_does) {
  drop(1, 10);
  world_.run_for(600ms);
  drop(1, 10);
  EXPECT_TRUE(log_.empty());
  world_.run_for(600ms);
  EXPECT_THAT(log_, ElementsAre("gap of 2: drop_newest"));
  world_.run_for(10s);
  EXPECT_EQ(log_.size(), 1);
}

TEST_F(batcher_and_compressor, gaps_count_as_no_records) {
  give("a\nb\n");
  drop(7, 10);
  give("c\n");
  tell(end_stream{stream_, given_});
  world_.run_for(1ms);
  auto counted = metrics_of(world_, process_, stats_);
  for (auto* component : {"batcher", "compressor"}) {
    auto found = ledger_of(counted, component);
    EXPECT_TRUE(found.balances()) << component;
    EXPECT_EQ(found.received, 3) << component;
    EXPECT_EQ(found.sent, 3) << component;
  }
}

TEST_F(batcher_and_compressor, a_closed_stream_is_forgotten) {
  give("a\n");
  tell(end_stream{stream_, given_});
  tell(close_stream{stream_});
  tell(close_stream{stream_});
  tell(ack{stream_, {1, 1, 2}});
  world_.run_for(1ms);
  EXPECT_THAT(log_, ElementsAre("1 records", "end", "close", "close"));
  give("b\n");
  drop(1, 1);
  world_.run_for(10s);
  EXPECT_EQ(log_.size(), 4) << "what is not open goes nowhere";
  tell(open_stream{stream_, {}, caf::actor_cast<caf::strong_actor_ptr>(upstream_)});
  tell(restart_stream{stream_, {1, 1, 2}});
  given_ = position_ = 2;
  sequence_ = 1;
  give("b\n");
  world_.run_for(10s);
  EXPECT_EQ(log_.back(), "1 records");
}

} // namespace sluice::test

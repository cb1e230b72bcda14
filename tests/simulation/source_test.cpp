#include <caf/typed_event_based_actor.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/source/file_source.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;
using words = std::vector<std::string>;

/// A source that reads two files with a window of one byte, and a batcher by hand.
class source_alone : public testing::Test {
protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    files_.set_content("/a", "a\n");
    files_.set_content("/b", "b\n");
    auto batcher = process_.own(process_.system().spawn([this](batcher_actor::pointer) -> batcher_actor::behavior_type {
      return {
        [this](const open_stream& x) { opened_.push_back(x.stream); },
        [this](const restart_stream& x) { note("restart", x.stream); },
        [this](const chunk& x) { log_.emplace_back(x.lines->text()); },
        [](idle_atom, const stream_id&) {},
        [this](const end_stream& x) {
          note("end", x.stream);
          ends_.push_back(x.position);
        },
        [this](const gap& x) { log_.push_back(x.reason); },
        [this](const close_stream& x) { note("close", x.stream); },
        [this](end_of_input_atom) { log_.push_back("done"); },
        [](const welcome&) {},
        [](const ack&) {},
        [](flush_atom) {},
      };
    }));
    file_source_config config;
    config.paths = {"/a", "/b"};
    config.window_bytes = 1;
    config.limits.max_events = 2;
    source_ = process_.own(
      spawn_file_source(process_.system(), process_.env(), config, std::make_shared<buffer_pool>(), batcher));
    world_.run_for(1s);
  }

  void note(std::string what, const stream_id& stream) { log_.push_back(what + (stream == opened_[0] ? " a" : " b")); }

  template <class Message>
  void tell(std::size_t stream, stream_point last) {
    caf::anon_send(source_, Message{opened_.at(stream), last});
    world_.run_for(1s);
  }

  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "client", files_, 1};
  std::vector<stream_id> opened_;
  words log_;
  std::vector<std::uint64_t> ends_; ///< Positions.
  source_actor source_;
};

} // namespace

TEST_F(source_alone, announces_several_files_and_reads_one_after_the_other_as_far_as_acks_give_credit) {
  files_.set_content("/a", "a\na\na\n");
  EXPECT_EQ(opened_.size(), 2);
  tell<welcome>(0, {});
  EXPECT_EQ(log_, (words{"restart a", "a\na\n"}));
  tell<ack>(0, {1, 1, 4});
  EXPECT_EQ(log_, (words{"restart a", "a\na\n", "a\n", "end a"}));
  tell<ack>(0, {1, 2, 6});
  tell<welcome>(1, {1, 1, 2});
  log_.erase(log_.begin(), log_.begin() + 4);
  EXPECT_EQ(log_, (words{"restart b", "end b", "done"})) << "b is stored already";
}

// The stream that is read waited for credit that only reading the other one again could give.
TEST_F(source_alone, does_not_wait_for_acks_of_what_a_receiver_wants_again) {
  tell<welcome>(0, {});
  ASSERT_EQ(opened_.size(), 2) << "the end was met at once";
  tell<welcome>(1, {});
  auto before = log_;
  EXPECT_EQ(log_.back(), "restart b") << "a takes all the credit";
  tell<welcome>(0, {});
  ASSERT_GT(log_.size(), before.size() + 1);
  EXPECT_EQ(log_[before.size()], "restart a");
  EXPECT_EQ(log_[before.size() + 1], "a\n");
  tell<ack>(0, {1, 1, 2});
  EXPECT_THAT(log_, testing::Contains("b\n"));
  tell<ack>(1, {1, 1, 2});
  EXPECT_EQ(log_.back(), "done");
}

// It ended at a position that no ack could reach, and its shipper waited for ever.
TEST_F(source_alone, ends_where_the_receiver_stands_if_a_file_cannot_be_read_again) {
  tell<welcome>(0, {});
  tell<ack>(0, {1, 1, 2});
  ASSERT_EQ(opened_.size(), 2);
  ASSERT_TRUE(files_.remove("/a"));
  log_.clear();
  ends_.clear();
  tell<welcome>(0, {1, 0, 0});
  EXPECT_EQ(log_, (words{"restart a", "end a"}));
  EXPECT_EQ(ends_, (std::vector<std::uint64_t>{0}));
}

TEST_F(source_alone, remembers_whom_it_waits_for_while_it_reads_another_again) {
  tell<welcome>(0, {});
  tell<ack>(0, {1, 1, 2});
  ASSERT_EQ(opened_.size(), 2) << "b is announced and not welcomed";
  tell<welcome>(0, {1, 0, 0});
  log_.clear();
  caf::anon_send(source_, stop_atom_v);
  world_.run_for(1s);
  EXPECT_THAT(log_, testing::Contains("end b"));
  EXPECT_THAT(log_, testing::Contains("done"));
}

} // namespace sluice::test

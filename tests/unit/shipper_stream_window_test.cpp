#include <gtest/gtest.h>

#include "actors/shipper/stream_window.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice::test {

namespace {

using resumption = stream_window::resumption;
using restarted = stream_window::restart_result;

/// A window of epoch 3, and a source that makes frames of 4 bytes and 2 records for it, in epoch 1 at first.
class shipper_stream_window : public testing::Test {
protected:
  /// The receiver knows nothing of the stream, and the source has begun.
  void begin() {
    stream_window::change changed;
    EXPECT_EQ(window_.resume({}, changed), resumption::start_over);
    EXPECT_EQ(restart({1, 0, 0}), restarted::follows);
  }

  restarted restart(const stream_point& from) {
    stream_window::change changed;
    return window_.restart(from, changed);
  }

  void send() { window_.mark_sent(now_); }

  frame make() { return maker_.lines("a\nb\n"); }

  void push(int count) {
    for (; count > 0; --count)
      ASSERT_TRUE(window_.push(make()));
  }

  stream_point point(std::uint64_t sequence) { return {1, sequence, 4 * sequence}; }

  stream_window window_{3};
  stream_window::time_point now_{};
  frame_maker maker_{make_stream(1)};
};

} // namespace

TEST_F(shipper_stream_window, takes_nothing_before_the_receiver_has_said_where_to_go_on) {
  EXPECT_FALSE(window_.push(make()));
  EXPECT_FALSE(window_.in_step());
}

TEST_F(shipper_stream_window, gives_frames_in_order_and_once_per_connection) {
  begin();
  push(2);
  EXPECT_EQ(window_.unsent()->header().sequence, 1);
  send();
  EXPECT_EQ(window_.unsent()->header().sequence, 2);
  send();
  EXPECT_EQ(window_.unsent(), nullptr);
  EXPECT_EQ(window_.held(), (stream_window::content{2, 4, 8}));
}

TEST_F(shipper_stream_window, refuses_what_does_not_follow) {
  begin();
  push(1);
  auto second = make(), third = make();
  EXPECT_FALSE(window_.push(third));
  EXPECT_TRUE(window_.push(second));
  EXPECT_FALSE(window_.push(second));
  EXPECT_TRUE(window_.push(third));
}

TEST_F(shipper_stream_window, lets_go_of_what_is_acknowledged) {
  begin();
  push(3);
  send();
  send();
  auto changed = window_.acknowledge(point(2));
  EXPECT_EQ(changed.acked, (stream_window::content{2, 4, 8}));
  EXPECT_EQ(changed.discarded, stream_window::content{});
  EXPECT_EQ(window_.acked(), point(2));
  EXPECT_EQ(window_.unsent()->header().sequence, 3);
  EXPECT_EQ(window_.acknowledge(point(1)), stream_window::change{}) << "an old ack changes nothing";
}

TEST_F(shipper_stream_window, sends_again_on_a_new_connection_what_is_not_durable) {
  begin();
  push(3);
  for (auto i = 0; i < 3; ++i)
    send();
  stream_window::change changed;
  EXPECT_EQ(window_.resume(point(1), changed), resumption::resend);
  EXPECT_EQ(changed.acked.frames, 1);
  EXPECT_EQ(window_.unsent()->header().sequence, 2);
  EXPECT_EQ(window_.held().frames, 2);
}

TEST_F(shipper_stream_window, starts_over_where_a_receiver_knows_less_than_it_acknowledged) {
  begin();
  push(3);
  window_.acknowledge(point(2));
  stream_window::change changed;
  EXPECT_EQ(window_.resume(point(1), changed), resumption::start_over);
  EXPECT_EQ(changed.discarded, (stream_window::content{1, 2, 4}));
  EXPECT_EQ(window_.acked(), point(1));
  EXPECT_EQ(window_.held(), stream_window::content{});
}

TEST_F(shipper_stream_window, starts_over_where_somebody_else_has_fed_the_receiver) {
  begin();
  push(2);
  auto changed = window_.acknowledge({1, 2, 7});
  EXPECT_EQ(changed.acked.frames, 1) << "one of ours is before that point";
  EXPECT_EQ(changed.discarded.frames, 1);
  EXPECT_FALSE(window_.in_step());
  EXPECT_FALSE(window_.push(make()));
  stream_window::change again;
  EXPECT_EQ(window_.resume({1, 2, 7}, again), resumption::start_over);
  EXPECT_TRUE(window_.in_step());
}

// What was read before the source heard of the restart may seem to follow by number and position.
TEST_F(shipper_stream_window, takes_nothing_until_the_source_has_started_over) {
  begin();
  push(1);
  make(); // somebody else's
  window_.acknowledge(point(2));
  stream_window::change changed;
  ASSERT_EQ(window_.resume(point(2), changed), resumption::start_over);
  EXPECT_FALSE(window_.push(make()));
  EXPECT_EQ(restart(point(2)), restarted::follows);
  frame_maker again{make_stream(1)};
  again.lines("a\nb\n");
  again.lines("a\nb\n");
  EXPECT_TRUE(window_.push(again.lines("other\n")));
}

TEST_F(shipper_stream_window, ignores_a_restart_that_a_newer_welcome_has_outdated) {
  begin();
  push(1);
  stream_window::change changed;
  window_.acknowledge(point(3));
  ASSERT_EQ(window_.resume(point(3), changed), resumption::start_over);
  EXPECT_EQ(restart(point(2)), restarted::outdated);
  EXPECT_EQ(window_.acked(), point(3));
  make();
  make();
  EXPECT_FALSE(window_.push(make()));
}

// An answer to an earlier welcome was taken, and the window went back behind what was acknowledged since.
TEST_F(shipper_stream_window, sends_a_source_back_that_starts_over_elsewhere) {
  begin();
  push(3);
  window_.acknowledge(point(2));
  stream_window::change changed;
  EXPECT_EQ(window_.restart(point(1), changed), restarted::elsewhere);
  EXPECT_EQ(changed.discarded, (stream_window::content{1, 2, 4}));
  EXPECT_EQ(window_.acked(), point(2));
  EXPECT_FALSE(window_.push(make())) << "it has not started over yet";
  EXPECT_EQ(restart(point(2)), restarted::follows);
}

TEST_F(shipper_stream_window, follows_a_source_into_a_new_epoch_where_the_stream_stands) {
  begin();
  push(1);
  stream_window::change changed;
  window_.acknowledge(point(5));
  ASSERT_EQ(window_.resume(point(5), changed), resumption::start_over);
  EXPECT_EQ(restart({2, 0, 0}), restarted::outdated) << "positions never go back";
  EXPECT_EQ(restart({2, 1, 20}), restarted::outdated) << "an epoch begins at its first frame";
  EXPECT_EQ(restart({2, 0, 20}), restarted::follows);
  maker_.start_epoch(2, 20);
  push(1);
  EXPECT_EQ(window_.acknowledge({2, 1, 24}).acked.frames, 1);
}

TEST_F(shipper_stream_window, takes_frames_of_a_later_epoch_that_join) {
  begin();
  push(1);
  maker_.start_epoch(2, 3);
  EXPECT_FALSE(window_.push(make()));
  maker_.start_epoch(2, 4);
  push(2);
  EXPECT_EQ(window_.held().frames, 3);
  EXPECT_EQ(window_.acknowledge({2, 1, 8}).acked.frames, 2);
}

TEST_F(shipper_stream_window, is_fenced_by_an_epoch_greater_than_the_agents) {
  begin();
  push(2);
  stream_window::change changed;
  EXPECT_EQ(window_.resume({4, 1, 4}, changed), resumption::fenced);
  EXPECT_EQ(changed, stream_window::change{});
  EXPECT_EQ(window_.held().frames, 2);
}

TEST_F(shipper_stream_window, keeps_the_first_frames_of_a_new_epoch_when_the_receiver_still_has_the_old_one) {
  stream_window::change changed;
  ASSERT_EQ(window_.resume({1, 5, 20}, changed), resumption::start_over);
  ASSERT_EQ(restart({2, 0, 20}), restarted::follows);
  maker_.start_epoch(2, 20);
  push(2);
  EXPECT_EQ(window_.resume({1, 5, 20}, changed), resumption::resend);
  EXPECT_EQ(window_.held().frames, 2);
  EXPECT_EQ(window_.resume({1, 4, 16}, changed), resumption::start_over) << "it has forgotten something since";
}

// By its number it covers a frame of ours, but what is stored under it ends before.
TEST_F(shipper_stream_window, does_not_take_a_frame_for_stored_that_ends_behind_the_position) {
  begin();
  push(2);
  stream_window::change changed;
  EXPECT_EQ(window_.resume({1, 2, 3}, changed), resumption::start_over);
  EXPECT_EQ(changed.acked.frames, 0);
  EXPECT_EQ(window_.acked(), (stream_point{1, 2, 3}));
}

TEST_F(shipper_stream_window, says_what_was_acknowledged_before_until_a_receiver_does) {
  window_ = stream_window{3, point(2)};
  EXPECT_EQ(window_.acked(), point(2));
  EXPECT_FALSE(window_.push(make()));
  stream_window::change changed;
  EXPECT_EQ(window_.resume(point(2), changed), resumption::start_over);
  EXPECT_EQ(window_.resume(point(1), changed), resumption::start_over);
  EXPECT_EQ(window_.acked(), point(1));
}

TEST_F(shipper_stream_window, tells_when_what_is_acknowledged_was_sent_first) {
  using namespace std::chrono_literals;
  begin();
  push(3);
  send();
  now_ += 1s;
  send();
  EXPECT_EQ(window_.carried(), 2);
  stream_window::change changed;
  window_.resume({}, changed);
  EXPECT_EQ(window_.carried(), 0);
  now_ += 1s;
  send();
  auto start = stream_window::time_point{};
  EXPECT_EQ(window_.acknowledge(point(3)).sent_first, (std::vector{start, start + 1s})) << "the third was never sent";
}

} // namespace sluice::test

#include <gtest/gtest.h>

#include "actors/shipper/outbound_table.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

/// Two streams, whose frames have 4 bytes and 2 records.
class shipper_outbound_table : public testing::Test {
protected:
  void SetUp() override {
    table_.connect();
    for (auto* x : {&a_, &b_}) {
      table_.greet(*x, now_);
      welcome(*x);
    }
  }

  /// The receiver knows nothing of the stream, and the source has begun.
  void welcome(outbound_stream& x) {
    stream_window::change changed;
    x.greeted = true;
    x.window.resume({}, changed);
    x.window.restart({1, 0, 0}, changed);
    table_.settle(x, changed, now_);
  }

  void push(outbound_stream& x, frame_maker& maker) {
    EXPECT_TRUE(table_.push(x, maker.lines("a\nb\n")));
    table_.offer(x);
  }

  void send(outbound_stream& x) { table_.mark_sent(x, now_); }

  void acknowledge(outbound_stream& x, std::uint64_t sequence) {
    table_.settle(x, x.window.acknowledge({1, sequence, 4 * sequence}), now_);
  }

  outbound_table::time_point now_{1h};
  outbound_table table_{3};
  outbound_stream& a_ = table_.add(make_stream(1)).first;
  outbound_stream& b_ = table_.add(make_stream(2)).first;
  frame_maker frames_of_a_{make_stream(1)}, frames_of_b_{make_stream(2)};
};

} // namespace

TEST_F(shipper_outbound_table, knows_a_stream_once) {
  auto [again, is_new] = table_.add(make_stream(1));
  EXPECT_EQ(&again, &a_);
  EXPECT_FALSE(is_new);
  table_.forget(a_, now_);
  EXPECT_FALSE(table_.find(make_stream(1)));
  EXPECT_EQ(table_.size(), 1);
}

TEST_F(shipper_outbound_table, lets_the_stream_send_that_has_waited_longest) {
  push(a_, frames_of_a_);
  push(b_, frames_of_b_);
  EXPECT_FALSE(table_.offer(a_)) << "stands in the queue already";
  EXPECT_EQ(table_.take_sendable(), &a_);
  EXPECT_TRUE(table_.offer(a_));
  EXPECT_EQ(table_.take_sendable(), &b_);
  EXPECT_EQ(table_.take_sendable(), &a_);
  EXPECT_EQ(table_.take_sendable(), nullptr);
}

TEST_F(shipper_outbound_table, passes_over_what_has_nothing_to_send_any_more) {
  push(a_, frames_of_a_);
  push(b_, frames_of_b_);
  acknowledge(a_, 1);
  EXPECT_EQ(table_.take_sendable(), &b_);
  EXPECT_FALSE(table_.offer(a_));
}

TEST_F(shipper_outbound_table, sends_nothing_of_a_stream_that_is_not_greeted) {
  push(a_, frames_of_a_);
  table_.greet(a_, now_);
  EXPECT_EQ(table_.take_sendable(), nullptr);
  EXPECT_FALSE(table_.offer(a_));
}

TEST_F(shipper_outbound_table, forgets_a_stream_that_waits_to_send) {
  push(a_, frames_of_a_);
  acknowledge(a_, 1);
  table_.forget(a_, now_);
  EXPECT_EQ(table_.take_sendable(), nullptr);
}

TEST_F(shipper_outbound_table, says_since_when_an_answer_is_owed) {
  EXPECT_FALSE(table_.owed_since());
  push(a_, frames_of_a_);
  push(a_, frames_of_a_);
  send(a_);
  auto first = now_;
  now_ += 1s;
  send(a_);
  EXPECT_EQ(table_.owed_since(), first) << "sending on is no answer";
  acknowledge(a_, 1);
  EXPECT_EQ(table_.owed_since(), now_) << "one is still owed";
  acknowledge(a_, 2);
  EXPECT_FALSE(table_.owed_since());
}

TEST_F(shipper_outbound_table, owes_an_answer_to_a_greeting_until_the_stream_is_forgotten) {
  table_.greet(a_, now_);
  EXPECT_EQ(table_.owed_since(), now_);
  table_.forget(a_, now_);
  EXPECT_FALSE(table_.owed_since());
}

TEST_F(shipper_outbound_table, owes_nothing_without_a_connection) {
  push(a_, frames_of_a_);
  send(a_);
  table_.disconnect();
  EXPECT_FALSE(table_.owed_since());
  EXPECT_FALSE(table_.offer(a_));
  table_.settle(a_, {}, now_);
  EXPECT_FALSE(table_.owed_since());
  EXPECT_EQ(table_.held().frames, 1) << "to be sent on the next one";
}

TEST_F(shipper_outbound_table, adds_up_what_its_streams_hold) {
  push(a_, frames_of_a_);
  push(a_, frames_of_a_);
  push(b_, frames_of_b_);
  EXPECT_EQ(table_.held(), (stream_window::content{3, 6, 12}));
  EXPECT_EQ(table_.holding(), 2);
  acknowledge(a_, 2);
  EXPECT_EQ(table_.held(), (stream_window::content{1, 2, 4}));
  EXPECT_EQ(table_.holding(), 1);
}

TEST_F(shipper_outbound_table, is_done_when_all_has_ended_and_is_acknowledged) {
  push(a_, frames_of_a_);
  a_.end = 4;
  b_.end = 0;
  EXPECT_FALSE(table_.all_done());
  acknowledge(a_, 1);
  EXPECT_TRUE(table_.all_done());
  push(b_, frames_of_b_);
  EXPECT_FALSE(b_.end) << "more has come";
}

} // namespace sluice::test

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/spool/spool_queue.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using test::at_seconds;
using test::frame_maker;
using test::make_stream;

const auto now = at_seconds(1'700'000'000);

/// A queue before a log that is full but for `left` bytes.
class spool_queue_of_a_full_log : public testing::Test {
protected:
  void open(std::size_t left) {
    spdlog::set_level(spdlog::level::off);
    reopen();
    ASSERT_TRUE(log->append(std::vector{b.lines("waits\n")}, now).front());
    reopen();
    limits.max_bytes = log->disk_bytes() + left;
    reopen();
  }

  void reopen() {
    log.reset();
    log = spool_log::open(files, "/spool", limits, now).value();
  }

  test::sim_file_system files{1};
  spool_limits limits;
  std::unique_ptr<spool_log> log;
  frame_maker a{make_stream(0)}, b{make_stream(1)};
  spool_queue queue;
};

TEST_F(spool_queue_of_a_full_log, gives_what_there_is_room_for) {
  auto first = a.lines("one\n"), second = a.lines("two\n");
  open(first.size());
  queue.push(first);
  queue.push(second);
  auto taken = queue.take(*log, {}, now);
  ASSERT_EQ(taken.frames.size(), 1);
  EXPECT_EQ(taken.frames[0].header().sequence, first.header().sequence);
  EXPECT_EQ(queue.front().header().sequence, second.header().sequence);
  EXPECT_EQ(queue.bytes(), first.size() + second.size()) << "the first one may come back";
  queue.settle(first);
  EXPECT_EQ(queue.bytes(), second.size());
}

TEST_F(spool_queue_of_a_full_log, gives_everything_once_the_input_has_ended) {
  open(0);
  queue.push(a.lines("one\n"));
  queue.push(a.lines("two\n"));
  EXPECT_TRUE(queue.take(*log, {}, now).frames.empty());
  EXPECT_EQ(queue.take(*log, {.are_kept = false}, now).frames.size(), 2);
  EXPECT_TRUE(queue.empty());
}

TEST_F(spool_queue_of_a_full_log, puts_a_gap_in_the_place_of_what_is_dropped_and_none_in_that_of_a_gap) {
  open(0);
  auto lost = a.lines("one\ntwo\n");
  queue.push(lost);
  auto taken = queue.take(*log, {.drop = true}, now);
  EXPECT_EQ(taken.dropped, (spool_content{2, 8}));
  ASSERT_TRUE(taken.frames.empty()) << "gaps, too, take room";
  ASSERT_EQ(queue.front().header().kind, frame_kind::gap);
  EXPECT_EQ(queue.front().header().end_point(), lost.header().end_point());
  EXPECT_EQ(queue.front().header().record_count, 2);
  EXPECT_EQ(queue.bytes(), queue.front().size());
  EXPECT_EQ(queue.take(*log, {.drop = true}, now).dropped, spool_content{});
}

TEST_F(spool_queue_of_a_full_log, keeps_the_order_of_what_is_put_back) {
  open(1'000'000);
  auto first = a.lines("one\n"), second = a.lines("two\n");
  queue.push(first);
  queue.push(second);
  auto taken = queue.take(*log, {}, now);
  ASSERT_EQ(taken.frames.size(), 2);
  queue.put_back(taken.frames[1]);
  queue.put_back(taken.frames[0]);
  EXPECT_EQ(queue.front().header().sequence, first.header().sequence);
  EXPECT_EQ(queue.bytes(), first.size() + second.size());
}

} // namespace
} // namespace sluice

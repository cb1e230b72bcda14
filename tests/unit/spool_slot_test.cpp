#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/spool/spool_slot.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

const auto start = at_seconds(1'700'000'000);

class spool_slots : public testing::Test {
protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    ASSERT_TRUE(files.create_folders("/state"));
  }

  expected<spool_slot> take() { return take_spool_slot(files, "/state", {.max_bytes = 16 * 1024 * 1024}, start); }

  /// As a process that is killed with something in its spool.
  static void leave_something(spool_slot slot) {
    frame_maker made{make_stream(0)};
    std::vector<frame> frames{made.lines("1\n")};
    for (auto& answer : slot.opened->append(frames, start))
      ASSERT_TRUE(answer) << answer.error().message;
  }

  sim_file_system files{1};
};

} // namespace

TEST_F(spool_slots, are_taken_in_order) {
  auto first = take(), second = take();
  ASSERT_TRUE(first && second);
  ASSERT_TRUE(first->opened->clear());
  EXPECT_EQ(first->folder, "/state/spool");
  EXPECT_EQ(second->folder, "/state/spool-2");
  first = fail(errc::none, "");
  EXPECT_EQ(take()->folder, "/state/spool");
}

TEST_F(spool_slots, in_which_something_is_left_come_first) {
  auto first = take(), second = take(), third = take();
  ASSERT_TRUE(first && second && third);
  leave_something(std::move(*second));
  leave_something(std::move(*third));
  ASSERT_TRUE(first->opened->clear());
  first = fail(errc::none, "");
  auto next = take(), next_but_one = take(), last = take();
  ASSERT_TRUE(next && next_but_one && last);
  EXPECT_EQ(next->folder, "/state/spool-2");
  EXPECT_EQ(next->opened->waiting().records, 1u);
  EXPECT_EQ(next_but_one->folder, "/state/spool-3");
  EXPECT_EQ(last->folder, "/state/spool");
}

TEST_F(spool_slots, are_taken_only_while_something_is_left_in_them_where_that_is_asked_for) {
  auto take_left = [this] { return take_left_spool(files, "/state", {.max_bytes = 16 * 1024 * 1024}, start); };
  auto first = take(), second = take(), third = take();
  ASSERT_TRUE(first && second && third);
  leave_something(std::move(*second));
  leave_something(std::move(*third));
  ASSERT_TRUE(first->opened->clear());
  first = fail(errc::none, "");
  auto left = take_left();
  ASSERT_TRUE(left && *left);
  EXPECT_EQ((*left)->folder, "/state/spool-2");
  auto more = take_left();
  ASSERT_TRUE(more && *more);
  EXPECT_EQ((*more)->folder, "/state/spool-3");
  auto nothing = take_left();
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
}

TEST_F(spool_slots, belong_to_their_process_while_the_folder_is_not_open) {
  auto first = take();
  ASSERT_TRUE(first);
  first->opened.reset();
  EXPECT_EQ(take()->folder, "/state/spool-2");
}

TEST_F(spool_slots, are_made_when_they_are_needed) {
  ASSERT_TRUE(take());
  EXPECT_FALSE(files.info("/state/spool-2/id"));
}

TEST_F(spool_slots, are_bounded) {
  std::vector<expected<spool_slot>> taken;
  for (int i = 0; i < spool_slot::max_slots; ++i)
    ASSERT_TRUE(taken.emplace_back(take()));
  auto more = take();
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, errc::locked);
  EXPECT_NE(more.error().message.find("/state: all 48 spools there are in use"), std::string::npos);
}

} // namespace sluice::test

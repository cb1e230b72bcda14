#include <gtest/gtest.h>

#include "actors/storage/gap_frame.hpp"
#include "actors/storage/store.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using test::frame_maker;
using test::make_stream;

const std::filesystem::path folder = "/store";
const auto start = test::at_seconds(1'700'000'000);
const auto elsewhere = id128{9};

TEST(storage_adoption, a_stream_goes_on_where_another_store_has_more_of_it) {
  EXPECT_EQ(adopted_gap_end({5, 3, 300}, {5, 10, 1000}), (stream_point{5, 10, 1000}));
  EXPECT_EQ(adopted_gap_end({5, 3, 300}, {6, 2, 1000}), (stream_point{6, 2, 1000}));
  EXPECT_EQ(adopted_gap_end({}, {5, 10, 1000}), (stream_point{5, 10, 1000}));
}

TEST(storage_adoption, a_stream_goes_on_here_where_the_other_store_has_no_more) {
  EXPECT_FALSE(adopted_gap_end({5, 3, 300}, {5, 3, 300}));
  EXPECT_FALSE(adopted_gap_end({5, 3, 300}, {6, 1, 200}));
  EXPECT_FALSE(adopted_gap_end({}, {}));
}

TEST(storage_adoption, a_newer_epoch_here_stays_fenced) {
  EXPECT_FALSE(adopted_gap_end({6, 1, 300}, {5, 10, 1000}));
}

TEST(storage_adoption, positions_decide_where_sequences_went_back) {
  EXPECT_EQ(adopted_gap_end({6, 2, 300}, {6, 1, 1000}), (stream_point{6, 1, 1000}));
}

TEST(storage_adoption, an_epoch_of_which_nothing_is_acknowledged_begins_behind_a_gap_of_an_older_one) {
  EXPECT_EQ(adopted_gap_end({5, 3, 300}, {6, 0, 1000}), (stream_point{5, 4, 1000}));
  EXPECT_EQ(adopted_gap_end({}, {6, 0, 1000}), (stream_point{1, 1, 1000}));
  EXPECT_FALSE(adopted_gap_end({6, 3, 300}, {6, 0, 1000}));
  EXPECT_FALSE(adopted_gap_end({}, {1, 0, 1000}));
}

class storage_adopting : public testing::Test {
protected:
  void SetUp() override {
    open();
    EXPECT_TRUE(commit(maker.lines("here\n")));
    here = maker.last();
    maker.lines("there, not here\n");
    there = maker.last();
  }

  void open() {
    target.reset();
    target = store::open(files, folder, options, start).value();
  }

  expected<ack> commit(const frame& x) { return target->commit(std::vector{x}, start)[0]; }

  stream_point greet(const stream_point& last, id128 store) {
    return target->greet({maker.stream(), last, store}).last;
  }

  std::vector<frame> stored() {
    std::vector<frame> result;
    auto segments = list_segments(files, folder).value();
    for (auto& segment : segments) {
      auto reader = segment_reader::open(files, segment.path).value();
      for (auto& entry : reader.index().frames)
        result.push_back(reader.load(entry).value());
    }
    return result;
  }

  void expect_sound() {
    auto result = verify_store(files, folder, [](const damage& each) { ADD_FAILURE() << to_string(each); });
    EXPECT_TRUE(result);
  }

  test::sim_file_system files{1};
  store_options options;
  std::unique_ptr<store> target;
  frame_maker maker{make_stream(1)};
  stream_point here, there;
};

TEST_F(storage_adopting, keeps_its_identity) {
  auto first = target->identity();
  EXPECT_NE(first, id128{});
  files.crash();
  open();
  EXPECT_EQ(target->identity(), first);
  auto other = store::open(files, "/other", options, start).value();
  EXPECT_NE(other->identity(), first);
  EXPECT_EQ(target->greet({maker.stream(), {}, {}}).store, first);
}

TEST_F(storage_adopting, refuses_an_identity_that_is_none) {
  target.reset();
  files.set_content(folder / "id", "nonsense\n");
  auto opened = store::open(files, folder, options, start);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, errc::malformed);
  EXPECT_NE(opened.error().message.find("/store/id"), std::string::npos);
}

TEST_F(storage_adopting, only_what_another_store_has_acknowledged_counts) {
  EXPECT_EQ(greet(there, id128{}), here);
  EXPECT_EQ(greet(there, target->identity()), here);
  EXPECT_EQ(greet({}, elsewhere), here);
  EXPECT_EQ(greet(there, elsewhere), there);
}

TEST_F(storage_adopting, stores_a_gap_before_the_first_frame_that_comes) {
  ASSERT_EQ(greet(there, elsewhere), there);
  auto first = maker.lines("three\n");
  auto second = maker.lines("four\n");
  for (auto& answer : target->commit(std::vector{first, second, second}, start))
    EXPECT_EQ(answer, (ack{maker.stream(), maker.last()}));
  auto frames = stored();
  ASSERT_EQ(frames.size(), 4);
  const auto& gap = frames[1].header();
  EXPECT_EQ(gap.kind, frame_kind::gap);
  EXPECT_EQ(as_text(frames[1].payload()), "stored_elsewhere");
  EXPECT_EQ(gap.position_begin, here.position);
  EXPECT_EQ(gap.end_point(), there);
  EXPECT_EQ(gap.record_count, 0);
  EXPECT_EQ(frames[2].header(), first.header());
  expect_sound();
  open();
  EXPECT_EQ(target->last(maker.stream()), maker.last());
}

TEST_F(storage_adopting, a_new_incarnation_joins_behind_the_gap) {
  ASSERT_EQ(greet(there, elsewhere), there);
  maker.start_epoch(2, there.position);
  EXPECT_TRUE(commit(maker.lines("new\n")));
  expect_sound();
}

TEST_F(storage_adopting, an_incarnation_without_a_frame_is_taken_over_too) {
  stream_point begun{2, 0, there.position};
  ASSERT_EQ(greet(begun, elsewhere), begun);
  maker.start_epoch(2, there.position);
  EXPECT_TRUE(commit(maker.lines("new\n")));
  EXPECT_EQ(stored()[1].header().end_point(), (stream_point{1, 2, there.position}));
  expect_sound();
}

TEST_F(storage_adopting, a_hello_of_a_new_incarnation_is_fenced_behind_the_gap) {
  auto late = maker.lines("late\n");
  stream_point begun{2, 0, there.position};
  ASSERT_EQ(target->greet({maker.stream(), there, elsewhere, 2}).last, begun);
  EXPECT_FALSE(commit(late));
  ASSERT_EQ(target->greet({maker.stream(), begun, elsewhere, 2}).last, begun);
  maker.start_epoch(2, there.position);
  EXPECT_TRUE(commit(maker.lines("new\n")));
  EXPECT_EQ(stored()[1].header().end_point().position, there.position);
  expect_sound();
}

TEST_F(storage_adopting, sequences_may_go_back_with_positions_that_do_not) {
  maker.start_epoch(2, there.position);
  ASSERT_EQ(greet({1, 1, there.position}, elsewhere).sequence, 1);
  EXPECT_TRUE(commit(maker.lines("again 1\n")));
  EXPECT_TRUE(commit(maker.lines("again 2\n")));
  auto point = stream_point{2, 1, 1000};
  ASSERT_EQ(greet(point, elsewhere), point);
  maker.start_epoch(2, 998);
  maker.lines("x\n");
  files.fail_write(1, errc::io_error);
  auto next = maker.lines("again 3\n");
  EXPECT_FALSE(commit(next)) << "the frame before it with this number is another one";
  EXPECT_TRUE(commit(next));
  expect_sound();
  open();
  EXPECT_EQ(target->last(maker.stream()), maker.last());
}

TEST_F(storage_adopting, what_lies_in_the_gap_is_acknowledged_and_not_stored) {
  frame_maker again{make_stream(1)};
  again.lines("here\n");
  auto skipped = again.lines("there, not here\n");
  ASSERT_EQ(greet(there, elsewhere), there);
  EXPECT_EQ(commit(skipped), (ack{maker.stream(), there}));
  EXPECT_EQ(stored().size(), 1);
}

TEST_F(storage_adopting, the_last_hello_decides) {
  ASSERT_EQ(greet(there, elsewhere), there);
  ASSERT_EQ(greet({}, id128{}), here);
  frame_maker again{make_stream(1)};
  again.lines("here\n");
  EXPECT_TRUE(commit(again.lines("there, and now here\n")));
  for (auto& each : stored())
    EXPECT_EQ(each.header().kind, frame_kind::records);
}

TEST_F(storage_adopting, a_commit_that_fails_leaves_the_gap_to_the_next) {
  ASSERT_EQ(greet(there, elsewhere), there);
  auto next = maker.lines("three\n");
  files.fail_sync(1, errc::io_error);
  EXPECT_FALSE(commit(next));
  EXPECT_EQ(stored().size(), 1);
  EXPECT_TRUE(commit(next));
  EXPECT_EQ(stored().size(), 3);
  expect_sound();
}

TEST_F(storage_adopting, a_gap_that_ends_a_segment_is_not_repeated_in_the_next) {
  options.segment_bytes = 600;
  open();
  ASSERT_EQ(greet(there, elsewhere), there);
  auto large = maker.lines(std::string(500, 'x'));
  files.fail_write(3, errc::io_error);
  auto first = commit(large);
  if (!first)
    EXPECT_TRUE(commit(large));
  EXPECT_EQ(stored().size(), 3);
  expect_sound();
}

} // namespace
} // namespace sluice

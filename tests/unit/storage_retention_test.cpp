#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/storage/store.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using test::frame_maker;
using test::make_stream;
using testing::ElementsAre;

const std::filesystem::path folder = "/store";
const auto start = test::at_seconds(1'700'000'000);

class storage_retention : public testing::Test {
protected:
  void open() {
    target.reset();
    target = store::open(files, folder, options, start).value();
  }

  /// Segments 1 to 5, one frame of two records each, made and sealed at `start` and one hour later each; 6 is empty.
  void fill() {
    open();
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(target->commit(std::vector{maker.lines("one\ntwo\n")}, start + i * 1h)[0]);
      EXPECT_TRUE(target->tend(start + i * 1h + options.segment_age));
    }
    ASSERT_THAT(numbers(), ElementsAre(1, 2, 3, 4, 5, 6));
  }

  std::vector<std::uint64_t> numbers() {
    std::vector<std::uint64_t> result;
    auto segments = list_segments(files, folder).value();
    for (auto& segment : segments)
      result.push_back(segment.number);
    return result;
  }

  std::uint64_t bytes_of(std::uint64_t number) { return files.content(folder / segment_name(number)).size(); }

  std::uint64_t problems() {
    return verify_store(files, folder, [](const damage& each) { ADD_FAILURE() << to_string(each); })->problems;
  }

  test::sim_file_system files{1};
  store_options options;
  std::unique_ptr<store> target;
  frame_maker maker{make_stream(1)};
};

TEST_F(storage_retention, keeps_all_without_limits) {
  fill();
  EXPECT_TRUE(target->tend(start + 10'000h));
  EXPECT_EQ(numbers().size(), 6);
  EXPECT_EQ(target->counters().expired.segments, 0);
}

TEST_F(storage_retention, removes_what_was_stored_longer_ago_than_the_age) {
  options.retention.age = 10h;
  fill();
  EXPECT_TRUE(target->tend(start + 11h - 1ns));
  EXPECT_THAT(numbers(), ElementsAre(1, 2, 3, 4, 5, 6));
  auto bytes = bytes_of(1) + bytes_of(2);
  EXPECT_TRUE(target->tend(start + 12h));
  EXPECT_THAT(numbers(), ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(target->counters().expired.segments, 2);
  EXPECT_EQ(target->counters().expired.records, 4);
  EXPECT_EQ(target->counters().expired.bytes, bytes);
  EXPECT_EQ(problems(), 0);
}

TEST_F(storage_retention, never_removes_the_active_segment) {
  fill();
  options.retention = {10h, 1};
  open();
  EXPECT_TRUE(target->tend(start + 10'000h));
  EXPECT_THAT(numbers(), ElementsAre(6));
}

TEST_F(storage_retention, removes_the_oldest_beyond_the_size) {
  fill();
  options.retention.bytes = bytes_of(4) + bytes_of(5) + bytes_of(6);
  open();
  EXPECT_TRUE(target->tend(start));
  EXPECT_THAT(numbers(), ElementsAre(4, 5, 6));
  options.retention.bytes -= 1;
  open();
  EXPECT_TRUE(target->tend(start));
  EXPECT_THAT(numbers(), ElementsAre(5, 6));
}

TEST_F(storage_retention, a_stream_goes_on_although_all_its_frames_have_expired) {
  fill();
  options.retention.bytes = 1;
  open();
  EXPECT_TRUE(target->tend(start));
  ASSERT_THAT(numbers(), ElementsAre(6));
  open();
  EXPECT_EQ(target->last(maker.stream()), maker.last());
  EXPECT_TRUE(target->commit(std::vector{maker.lines("on\n")}, start)[0]);
  EXPECT_EQ(problems(), 0);
}

TEST_F(storage_retention, what_it_has_removed_does_not_come_back) {
  fill();
  options.retention.bytes = 1;
  open();
  EXPECT_TRUE(target->tend(start));
  target.reset();
  files.crash();
  EXPECT_THAT(numbers(), ElementsAre(6));
}

TEST_F(storage_retention, what_cannot_be_removed_is_tried_again) {
  fill();
  options.retention.bytes = 1;
  open();
  files.power_off_after(1);
  EXPECT_EQ(target->tend(start).error().code, errc::io_error);
  EXPECT_EQ(target->counters().expired.segments, 0);
  files.clear_faults();
  EXPECT_TRUE(target->tend(start));
  EXPECT_THAT(numbers(), ElementsAre(6));
  EXPECT_EQ(target->counters().expired.segments, 5);
}

TEST_F(storage_retention, a_damaged_segment_expires_like_any_other) {
  fill();
  files.set_content(folder / segment_name(2), "not a segment");
  options.retention.age = 10h;
  open();
  EXPECT_TRUE(target->tend(start + 11h));
  EXPECT_EQ(numbers().size(), 6) << "the segment that told the age of the first is lost";
  EXPECT_TRUE(target->tend(start + 12h));
  EXPECT_THAT(numbers(), ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(target->counters().expired.records, 2);
}

TEST_F(storage_retention, makes_room_on_a_full_disk) {
  fill();
  options.retention.age = 10h;
  open();
  auto space = files.space(folder).value();
  files.set_capacity((space.capacity - space.available) * 100 / 92);
  EXPECT_FALSE(target->commit(std::vector{maker.lines("x\n")}, start)[0]);
  EXPECT_TRUE(target->full());
  EXPECT_TRUE(target->tend(start + 100h));
  EXPECT_FALSE(target->full());
}

TEST_F(storage_retention, a_reader_passes_over_what_vanishes) {
  fill();
  auto listed = list_segments(files, folder).value();
  options.retention.bytes = 1;
  open();
  auto reader = segment_reader::open(files, listed[0].path).value();
  EXPECT_TRUE(target->tend(start));
  EXPECT_TRUE(reader.load(reader.index().frames[0])) << "it has it open";
  EXPECT_EQ(segment_reader::open(files, listed[1].path).error().code, errc::not_found);
}

} // namespace
} // namespace sluice

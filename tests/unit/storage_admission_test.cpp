#include <gtest/gtest.h>

#include "actors/storage/admission.hpp"

namespace sluice {
namespace {

/// The verdict on frame (epoch, sequence) that begins at `begin`, after frame 3 of epoch 5 up to position 100.
std::string verdict_on(std::uint64_t epoch, std::uint64_t sequence, std::uint64_t begin) {
  frame_header header;
  header.epoch = epoch;
  header.sequence = sequence;
  header.position_begin = begin;
  header.position_end = begin + 10;
  auto result = judge({5, 3, 100}, header);
  if (!result)
    return std::string{to_string(result.error().code)};
  return *result == verdict::store ? "store" : "duplicate";
}

TEST(storage_admission, the_next_frame_of_the_epoch_is_stored) {
  EXPECT_EQ(verdict_on(5, 4, 100), "store");
}

TEST(storage_admission, what_is_not_newer_in_the_epoch_is_a_duplicate_wherever_it_begins) {
  EXPECT_EQ(verdict_on(5, 3, 90), "duplicate");
  EXPECT_EQ(verdict_on(5, 1, 0), "duplicate");
  EXPECT_EQ(verdict_on(5, 3, 100), "duplicate");
}

TEST(storage_admission, a_sequence_that_is_left_out_is_a_gap) {
  EXPECT_EQ(verdict_on(5, 5, 100), "sequence_gap");
}

TEST(storage_admission, a_position_that_does_not_join_is_a_gap) {
  EXPECT_EQ(verdict_on(5, 4, 99), "sequence_gap");
  EXPECT_EQ(verdict_on(5, 4, 101), "sequence_gap");
}

TEST(storage_admission, a_greater_epoch_begins_with_its_first_frame_where_the_stream_is) {
  EXPECT_EQ(verdict_on(6, 1, 100), "store");
  EXPECT_EQ(verdict_on(9, 1, 100), "store");
  EXPECT_EQ(verdict_on(6, 1, 0), "sequence_gap");
  EXPECT_EQ(verdict_on(6, 1, 101), "sequence_gap");
  EXPECT_EQ(verdict_on(6, 4, 100), "sequence_gap");
}

TEST(storage_admission, an_older_epoch_is_fenced_whatever_it_brings) {
  EXPECT_EQ(verdict_on(4, 1, 100), "stale_epoch");
  EXPECT_EQ(verdict_on(4, 3, 90), "stale_epoch");
  EXPECT_EQ(verdict_on(4, 4, 100), "stale_epoch");
}

TEST(storage_admission, an_unknown_stream_begins_at_its_beginning) {
  frame_header header;
  EXPECT_EQ(judge({}, header), verdict::store);
  header.epoch = 7;
  EXPECT_EQ(judge({}, header), verdict::store);
  header.position_begin = header.position_end = 1;
  EXPECT_EQ(judge({}, header).error().code, errc::sequence_gap);
}

TEST(storage_admission, tells_both_frames) {
  frame_header header;
  header.epoch = 2;
  auto told = judge({5, 3, 100}, header).error().message;
  EXPECT_NE(told.find("frame 1 of epoch 2"), told.npos) << told;
  EXPECT_NE(told.find("frame 3 of epoch 5"), told.npos) << told;
}

} // namespace
} // namespace sluice

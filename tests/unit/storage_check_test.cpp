#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/storage/store.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using test::frame_maker;
using test::make_stream;
using testing::HasSubstr;

const std::filesystem::path folder = "/store";
const auto start = test::at_seconds(1'700'000'000);

label_set labels(std::string_view value) {
  label_set result;
  result.set("host", value);
  return result;
}

class storage_check : public testing::Test {
protected:
  /// Three segments of frames of two streams, closed in order.
  void fill() {
    options.segment_bytes = 1200;
    auto target = store::open(files, folder, options, start).value();
    for (int i = 0; i < 7; ++i)
      for (auto* maker : {&first, &second})
        EXPECT_TRUE(target->commit(std::vector{maker->lines("one\ntwo\n", start + std::chrono::seconds{i})}, start)[0]);
    EXPECT_TRUE(target->close());
    ASSERT_EQ(list_segments(files, folder)->size(), 3u);
  }

  verify_result verify() {
    problems.clear();
    return verify_store(files, folder, [this](const damage& each) { problems.push_back(to_string(each)); }).value();
  }

  std::filesystem::path segment(std::uint64_t number) const { return folder / segment_name(number); }

  test::sim_file_system files{1};
  store_options options;
  frame_maker first{make_stream(1), labels("a\"b")};
  frame_maker second{make_stream(2), labels("c")};
  std::vector<std::string> problems;
};

TEST_F(storage_check, a_sound_store_has_no_problems) {
  fill();
  auto result = verify();
  EXPECT_THAT(problems, testing::IsEmpty());
  EXPECT_EQ(result.segments, 3u);
  EXPECT_EQ(result.frames, 14u);
  EXPECT_EQ(result.records, 28u);
  EXPECT_FALSE(result.tail);
}

TEST_F(storage_check, finds_every_flipped_bit) {
  fill();
  for (std::uint64_t number = 1; number <= 3; ++number) {
    auto sound = files.content(segment(number));
    for (std::size_t at = 0; at < sound.size(); ++at) {
      auto flipped = sound;
      flipped[at] ^= static_cast<char>(1 << (at % 8));
      files.set_content(segment(number), flipped);
      auto result = verify();
      EXPECT_TRUE(result.problems > 0 || result.tail) << "segment " << number << " offset " << at;
      EXPECT_EQ(result.problems, problems.size());
      auto in_last_mark = number == 3 && at >= sound.size() - segment_limits::mark_bytes;
      EXPECT_EQ(result.problems == 0, in_last_mark) << "segment " << number << " offset " << at;
    }
    files.set_content(segment(number), sound);
  }
}

TEST_F(storage_check, names_file_and_offset) {
  fill();
  auto entry = segment_reader::open(files, segment(1))->index().frames[1];
  auto changed = files.content(segment(1));
  changed[entry.end() - 1] ^= 1;
  files.set_content(segment(1), changed);
  verify();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0], HasSubstr(segment(1).string() + ":" + std::to_string(entry.offset) + ": "));
}

TEST_F(storage_check, says_how_many_records_a_damaged_frame_has) {
  fill();
  for (std::uint64_t number : {1, 3}) {
    auto entry = segment_reader::open(files, segment(number))->index().frames[1];
    auto changed = files.content(segment(number));
    changed[entry.end() - 1] ^= 1;
    files.set_content(segment(number), changed);
  }
  auto result = verify();
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_THAT(problems, testing::Each(HasSubstr("; 2 records affected")));
  EXPECT_EQ(result.damaged_records, 4u);
  EXPECT_EQ(result.records, 24u);
}

TEST_F(storage_check, finds_a_missing_segment) {
  fill();
  files.remove(segment(2));
  EXPECT_GT(verify().problems, 0u);
}

TEST_F(storage_check, a_removed_first_segment_is_retention) {
  fill();
  files.remove(segment(1));
  verify();
  EXPECT_THAT(problems, testing::IsEmpty());
}

TEST_F(storage_check, works_while_a_writer_is_active_and_a_torn_tail_is_no_problem) {
  auto target = store::open(files, folder, options, start).value();
  target->commit(std::vector{first.lines("a\n"), first.lines("b\n")}, start);
  auto content = files.content(segment(1));
  files.set_content(segment(1), content.substr(0, content.size() - 1));
  auto result = verify();
  EXPECT_THAT(problems, testing::IsEmpty());
  EXPECT_EQ(result.frames, 1u);
  ASSERT_TRUE(result.tail);
}

TEST_F(storage_check, inspect_sums_up) {
  fill();
  auto summary = inspect_store(files, folder).value();
  ASSERT_EQ(summary.segments.size(), 3u);
  EXPECT_TRUE(summary.segments[0].is_sealed);
  EXPECT_FALSE(summary.segments[2].is_sealed);
  EXPECT_EQ(summary.total.frames, 14u);
  EXPECT_EQ(summary.total.records, 28u);
  EXPECT_EQ(summary.total.first_timestamp, start);
  EXPECT_EQ(summary.total.last_timestamp, start + std::chrono::seconds{6});
  ASSERT_EQ(summary.streams.size(), 2u);
  EXPECT_EQ(summary.streams[0].last, first.last());
  EXPECT_EQ(*summary.streams[1].labels.find("host"), "c");
  EXPECT_THAT(to_json(summary), HasSubstr(R"("labels":{"host":"a\"b"})"));
  EXPECT_THAT(to_json(summary), HasSubstr(R"("state":"sealed")"));
  EXPECT_THAT(to_table(summary), HasSubstr("epoch 1, frame 7, position 56"));
}

TEST_F(storage_check, gaps_are_counted_apart) {
  auto target = store::open(files, folder, options, start).value();
  auto later = start + std::chrono::seconds{9};
  for (auto each : {first.lines("a\nb\n", start), first.gap(7, "drop_newest", 70, later, later),
         first.gap(0, "truncated", 5, later, later), first.lines("c\n", start)})
    ASSERT_TRUE(target->commit(std::vector{each}, start)[0]);
  for (auto sealed : {false, true}) {
    if (sealed)
      ASSERT_TRUE(target->tend(start + std::chrono::hours{2}));
    auto checked = verify();
    EXPECT_THAT(problems, testing::IsEmpty());
    EXPECT_EQ(checked.frames, 4u);
    EXPECT_EQ(checked.records, 3u);
    EXPECT_EQ(checked.gaps, 2u);
    EXPECT_EQ(checked.gap_records, 7u);
    auto total = inspect_store(files, folder).value().total;
    EXPECT_EQ(total.records, 3u);
    EXPECT_EQ(total.gaps, 2u);
    EXPECT_EQ(total.gap_records, 7u);
    EXPECT_EQ(total.last_timestamp, start) << "of records";
    EXPECT_EQ(total.number, sealed ? 2u : 1u);
  }
  EXPECT_THAT(to_json(inspect_store(files, folder).value()), HasSubstr(R"("gaps":2,"gap_records":7)"));
}

} // namespace
} // namespace sluice

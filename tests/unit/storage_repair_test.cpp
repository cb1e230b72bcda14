#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/storage/store.hpp"
#include "actors/storage/store_check.hpp"
#include "actors/storage/store_repair.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using test::frame_maker;
using test::make_stream;
using testing::Contains;
using testing::HasSubstr;

const std::filesystem::path folder = "/store";
const auto start = test::at_seconds(1'700'000'000);

std::filesystem::path segment(std::uint64_t number) {
  return folder / segment_name(number);
}

/// A disk with a store, and what can be asked of it.
struct disk {
  explicit disk(std::uint64_t seed = 1) : files(seed) {}

  expected<repair_result> repair() {
    told.clear();
    return repair_store(files, folder, start, [this](const std::string& line) { told.push_back(line); });
  }

  std::vector<std::string> problems() {
    std::vector<std::string> result;
    auto done = verify_store(files, folder, [&](const damage& each) { result.push_back(to_string(each)); });
    EXPECT_TRUE(done);
    return result;
  }

  /// Every frame in stored order; gaps apart.
  std::vector<frame> stored(frame_kind kind = frame_kind::records) {
    std::vector<frame> result;
    auto segments = list_segments(files, folder).value();
    for (auto& each : segments) {
      auto reader = segment_reader::open(files, each.path).value();
      for (auto& entry : reader.index().frames)
        if (entry.kind == kind)
          result.push_back(reader.load(entry).value());
    }
    return result;
  }

  bool has(const std::filesystem::path& where) { return files.info(where).has_value(); }

  test::sim_file_system files;
  std::vector<std::string> told;
};

class storage_repair : public testing::Test {
protected:
  /// Three segments of frames of two streams, closed in order; the frames become `made`.
  void SetUp() override {
    options.segment_bytes = 1200;
    auto target = store::open(sound.files, folder, options, start).value();
    for (int i = 0; i < 7; ++i)
      for (auto* maker : {&first, &second}) {
        made.push_back(maker->lines("one\ntwo\n"));
        EXPECT_TRUE(target->commit(std::vector{made.back()}, start)[0]);
      }
    EXPECT_TRUE(target->close());
    target.reset();
    ASSERT_EQ(list_segments(sound.files, folder)->size(), 3u);
    for (std::uint64_t number = 1; number <= 3; ++number)
      contents.push_back(sound.files.content(segment(number)));
  }

  /// The same disk with one segment changed, or none if the number is 0; removed if `content` is empty.
  std::unique_ptr<disk> with(std::uint64_t number, const std::string& content) {
    auto result = std::make_unique<disk>(number + content.size());
    EXPECT_TRUE(result->files.create_folders(folder));
    EXPECT_TRUE(result->files.sync_folder(folder.parent_path()));
    result->files.set_content(folder / "id", sound.files.content(folder / "id"));
    for (std::uint64_t i = 1; i <= 3; ++i)
      if (auto& bytes = i == number ? content : contents[i - 1]; !bytes.empty())
        result->files.set_content(segment(i), bytes);
    return result;
  }

  std::string flipped(std::uint64_t number, std::size_t at) const {
    auto result = contents[number - 1];
    result[at] ^= static_cast<char>(1 << (at % 8));
    return result;
  }

  /// Offset within the segment of the payload of its frame `index`, and of its header.
  std::size_t payload_of(std::uint64_t number, std::size_t index) {
    auto entry = segment_reader::open(sound.files, segment(number))->index().frames.at(index);
    return entry.end() - 1;
  }
  std::size_t header_of(std::uint64_t number, std::size_t index) {
    return segment_reader::open(sound.files, segment(number))->index().frames.at(index).offset + 60;
  }

  /// What is stored is part of what was made, in its order, and so many frames are missing.
  void expect_all_but(disk& from, std::size_t missing) {
    auto found = from.stored();
    EXPECT_EQ(found.size(), made.size() - missing);
    auto at = made.begin();
    for (auto& each : found) {
      at = std::find_if(at, made.end(), [&](auto& x) { return std::ranges::equal(x.bytes(), each.bytes()); });
      ASSERT_NE(at, made.end());
      ++at;
    }
    EXPECT_THAT(from.problems(), testing::IsEmpty());
  }

  /// The store starts, knows where its streams go on, and takes the next frame.
  void expect_goes_on(disk& on) {
    auto target = store::open(on.files, folder, options, start);
    ASSERT_TRUE(target) << target.error().message;
    EXPECT_EQ((*target)->last(first.stream()), first.last());
    EXPECT_EQ((*target)->last(second.stream()), second.last());
    auto maker = first;
    EXPECT_TRUE((*target)->commit(std::vector{maker.lines("more\n")}, start)[0]);
    target->reset();
    EXPECT_THAT(on.problems(), testing::IsEmpty());
  }

  disk sound;
  store_options options;
  frame_maker first{make_stream(1)}, second{make_stream(2)};
  std::vector<frame> made;
  std::vector<std::string> contents;
};

TEST_F(storage_repair, leaves_a_whole_store_alone) {
  auto on = with(0, "");
  auto changes = on->files.changes();
  auto result = on->repair();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->segments, 3);
  EXPECT_EQ(result->repaired, 0);
  EXPECT_TRUE(result->is_whole());
  EXPECT_THAT(on->told, testing::Each(HasSubstr(": whole")));
  EXPECT_EQ(on->files.changes(), changes);
}

TEST_F(storage_repair, loses_at_most_one_frame_of_a_sealed_segment_whatever_bit_is_flipped) {
  for (std::uint64_t number = 1; number <= 2; ++number)
    for (std::size_t at = 0; at < contents[number - 1].size(); ++at) {
      SCOPED_TRACE("segment " + std::to_string(number) + " offset " + std::to_string(at));
      auto on = with(number, flipped(number, at));
      auto result = on->repair();
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_EQ(result->repaired, 1);
      EXPECT_LE(result->lost_frames, 1);
      EXPECT_EQ(result->lost_bytes, 0);
      expect_all_but(*on, result->lost_frames);
      EXPECT_EQ(on->stored(frame_kind::gap).size(), result->lost_frames);
      EXPECT_EQ(on->files.content(segment(number).string() + ".broken"), flipped(number, at));
      if (at % 8 == 0)
        expect_goes_on(*on);
      if (HasFailure())
        return;
    }
}

TEST_F(storage_repair, saves_the_newest_segment_too) {
  for (std::size_t at = 0; at < contents[2].size(); ++at) {
    SCOPED_TRACE("offset " + std::to_string(at));
    auto on = with(3, flipped(3, at));
    auto result = on->repair();
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_LE(result->lost_frames, 1);
    expect_all_but(*on, made.size() - on->stored().size());
    EXPECT_EQ(result->is_whole(), on->stored().size() == made.size());
    EXPECT_GE(on->stored().size() + 1, made.size());
    EXPECT_TRUE(store::open(on->files, folder, options, start));
    if (HasFailure())
      return;
  }
}

TEST_F(storage_repair, a_gap_takes_the_place_of_a_lost_frame_and_says_what_it_held) {
  auto on = with(1, flipped(1, payload_of(1, 2)));
  ASSERT_EQ(on->repair()->lost_frames, 1);
  auto gaps = on->stored(frame_kind::gap);
  ASSERT_EQ(gaps.size(), 1);
  const auto& lost = made[2].header();
  EXPECT_EQ(as_text(gaps[0].payload()), "damaged");
  EXPECT_EQ(gaps[0].header().record_count, lost.record_count);
  EXPECT_EQ(gaps[0].header().position_begin, lost.position_begin);
  EXPECT_EQ(gaps[0].header().end_point(), lost.end_point());
}

TEST_F(storage_repair, the_end_of_a_stream_is_left_to_be_shipped_again) {
  auto frames = segment_reader::open(sound.files, segment(3))->index().frames.size();
  auto on = with(3, flipped(3, payload_of(3, frames - 1)));
  auto result = on->repair();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->lost_frames, 1);
  EXPECT_TRUE(on->stored(frame_kind::gap).empty());
  auto target = store::open(on->files, folder, options, start).value();
  EXPECT_EQ(target->last(second.stream()).sequence, 6);
  EXPECT_TRUE(target->commit(std::vector{made.back()}, start)[0]);
  expect_all_but(*on, 0);
}

TEST_F(storage_repair, finds_its_way_behind_a_broken_header_without_footer) {
  auto frames = segment_reader::open(sound.files, segment(1))->index().frames.size();
  for (std::size_t index = 0; index < frames; ++index) {
    SCOPED_TRACE(index);
    auto changed = flipped(1, header_of(1, index));
    changed.back() ^= 1; // the footer's magic
    auto on = with(1, changed);
    auto result = on->repair();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->lost_frames, 1);
    expect_all_but(*on, 1);
    expect_goes_on(*on);
  }
}

TEST_F(storage_repair, frames_within_records_are_not_taken_for_frames) {
  disk on;
  frame_maker inner{make_stream(7)}, outer{make_stream(8)};
  std::string text{as_text(inner.lines("inside\n").bytes())};
  text += std::string{as_text(inner.lines("inside too\n").bytes())} + "\n";
  {
    auto target = store::open(on.files, folder, {}, start).value();
    std::vector frames{outer.lines(text), outer.lines("behind\n")};
    ASSERT_TRUE(target->commit(frames, start)[1]);
    ASSERT_TRUE(target->close());
  }
  auto changed = on.files.content(segment(1));
  changed[segment_reader::open(on.files, segment(1))->index().frames[0].offset + 60] ^= 1;
  on.files.set_content(segment(1), changed);
  auto result = on.repair();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->lost_frames, 1);
  auto found = on.stored();
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].header().sequence, 2);
  EXPECT_THAT(on.problems(), testing::IsEmpty());
}

TEST_F(storage_repair, a_segment_that_is_missing_becomes_gaps) {
  auto on = with(2, "");
  auto missing = segment_reader::open(sound.files, segment(2))->index().frames.size();
  auto result = on->repair();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->lost_frames, missing);
  expect_all_but(*on, missing);
  expect_goes_on(*on);
}

TEST_F(storage_repair, a_segment_of_which_nothing_is_left_becomes_gaps) {
  for (std::string junk : {std::string{}, std::string(3000, '\0'), std::string{"SLSG, or not"}}) {
    auto on = with(0, "");
    on->files.set_content(segment(2), junk);
    auto missing = segment_reader::open(sound.files, segment(2))->index().frames.size();
    auto result = on->repair();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->lost_frames, missing);
    expect_all_but(*on, missing);
    expect_goes_on(*on);
  }
}

TEST_F(storage_repair, a_torn_end_is_left_to_the_start) {
  auto on = with(3, contents[2] + "torn");
  auto result = on->repair();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->is_whole());
  EXPECT_EQ(result->repaired, 0);
  EXPECT_EQ(on->files.content(segment(3)), contents[2] + "torn");
}

TEST_F(storage_repair, a_second_repair_finds_nothing_to_do) {
  auto on = with(1, flipped(1, payload_of(1, 2)));
  ASSERT_TRUE(on->repair());
  auto result = on->repair();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->repaired, 0);
  EXPECT_TRUE(result->is_whole());
}

TEST_F(storage_repair, keeps_every_broken_file) {
  auto on = with(1, flipped(1, payload_of(1, 2)));
  ASSERT_TRUE(on->repair());
  auto damaged_again = on->files.content(segment(1));
  damaged_again[damaged_again.size() - 20] ^= 1;
  on->files.set_content(segment(1), damaged_again);
  ASSERT_TRUE(on->repair());
  EXPECT_EQ(on->files.content(segment(1).string() + ".broken"), flipped(1, payload_of(1, 2)));
  EXPECT_EQ(on->files.content(segment(1).string() + ".broken.2"), damaged_again);
}

TEST_F(storage_repair, can_be_broken_off_at_any_change_and_done_again) {
  auto damaged = flipped(2, payload_of(2, 1));
  for (std::uint64_t change = 1;; ++change) {
    SCOPED_TRACE(change);
    auto on = with(2, damaged);
    on->files.power_off_after(change);
    auto broken_off = on->repair();
    on->files.crash();
    auto kept = on->files.content(segment(2).string() + ".broken");
    EXPECT_TRUE(on->files.content(segment(2)) == damaged || kept == damaged);
    auto result = on->repair();
    ASSERT_TRUE(result) << result.error().message;
    expect_all_but(*on, 1);
    expect_goes_on(*on);
    if (broken_off || HasFailure())
      break;
  }
}

TEST_F(storage_repair, a_full_disk_leaves_all_as_it_was) {
  auto damaged = flipped(1, payload_of(1, 2));
  auto on = with(1, damaged);
  auto space = on->files.space(folder).value();
  on->files.set_capacity(space.capacity - space.available + 1000);
  auto result = on->repair();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::storage_full);
  EXPECT_EQ(on->files.content(segment(1)), damaged);
  on->files.set_capacity(1'000'000);
  EXPECT_EQ(on->repair()->lost_frames, 1);
  expect_goes_on(*on);
}

TEST_F(storage_repair, refuses_a_store_in_use_and_one_that_is_not_there) {
  auto target = store::open(sound.files, folder, options, start).value();
  EXPECT_EQ(sound.repair().error().code, errc::locked);
  disk empty;
  EXPECT_EQ(empty.repair().error().code, errc::not_found);
  EXPECT_FALSE(empty.has(folder / "lock"));
}

TEST_F(storage_repair, gives_another_identity_where_it_is_lost) {
  auto on = with(0, "");
  on->files.set_content(folder / "id", "nonsense");
  ASSERT_TRUE(on->repair());
  EXPECT_THAT(on->told, Contains(HasSubstr("the store is now")));
  EXPECT_EQ(on->files.content(folder / "id.broken"), "nonsense");
  expect_goes_on(*on);
}

} // namespace
} // namespace sluice

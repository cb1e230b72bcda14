#include <gtest/gtest.h>

#include "actors/storage/store.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using test::at_seconds;
using test::frame_maker;
using test::make_stream;

const std::filesystem::path folder = "/store";
const auto start = at_seconds(1'700'000'000);

class storage_store : public testing::Test {
protected:
  std::unique_ptr<store> open() {
    auto result = store::open(files, folder, options, start);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : nullptr;
  }

  static std::uint64_t stored_frames(file_system& files) {
    std::uint64_t count = 0;
    auto segments = list_segments(files, folder).value();
    for (auto& segment : segments)
      count += segment_reader::open(files, segment.path).value().index().frames.size();
    return count;
  }

  std::uint64_t used_bytes() {
    auto space = files.space(folder).value();
    return space.capacity - space.available;
  }

  std::filesystem::path segment(std::uint64_t number) const { return folder / segment_name(number); }

  test::sim_file_system files{1};
  store_options options;
  frame_maker maker{make_stream(1)};
};

errc code_of(const expected<ack>& answer) {
  return answer ? errc::none : answer.error().code;
}

TEST_F(storage_store, remembers_what_it_acknowledged) {
  auto first = maker.lines("one\ntwo\n");
  auto second = maker.lines("three\n");
  {
    auto target = open();
    auto acks = target->commit(std::vector{first, second}, start);
    ASSERT_EQ(acks.size(), 2u);
    EXPECT_EQ(acks[1], (ack{maker.stream(), {1, 2, 14}}));
    EXPECT_EQ(target->counters().frames, 2u);
    EXPECT_EQ(target->counters().records, 3u);
    EXPECT_EQ(target->counters().bytes, first.size() + second.size());
  }
  auto again = open();
  EXPECT_EQ(again->last(maker.stream()), (stream_point{1, 2, 14}));
  EXPECT_EQ(again->last(make_stream(2)), stream_point{});
  EXPECT_EQ(again->recovery().streams, 1u);
  EXPECT_EQ(again->recovery().active_frames, 2u);
  EXPECT_FALSE(again->recovery().cut);
}

TEST_F(storage_store, syncs_once_for_many_frames) {
  auto target = open();
  auto before = target->counters().syncs;
  std::vector<frame> frames;
  for (int i = 0; i < 100; ++i)
    frames.push_back(maker.lines("line\n"));
  for (auto& answer : target->commit(frames, start))
    EXPECT_TRUE(answer);
  EXPECT_EQ(target->counters().syncs, before + 1);
}

TEST_F(storage_store, acknowledges_duplicates_again_and_stores_them_once) {
  auto target = open();
  auto first = maker.lines("a\n");
  auto second = maker.lines("b\n");
  target->commit(std::vector{first, second}, start);
  auto acks = target->commit(std::vector{first, second, second}, start);
  for (auto& answer : acks)
    EXPECT_EQ(answer, (ack{maker.stream(), {1, 2, 4}}));
  EXPECT_EQ(target->counters().duplicates, 3u);
  EXPECT_EQ(stored_frames(files), 2u);
}

TEST_F(storage_store, takes_a_frame_twice_in_one_commit_once) {
  auto target = open();
  auto only = maker.lines("a\n");
  auto acks = target->commit(std::vector{only, only}, start);
  EXPECT_TRUE(acks[0] && acks[1]);
  EXPECT_EQ(stored_frames(files), 1u);
}

TEST_F(storage_store, refuses_gaps_and_positions_that_do_not_join) {
  auto target = open();
  auto first = maker.lines("a\n");
  auto second = maker.lines("b\n");
  auto third = maker.lines("c\n");
  auto acks = target->commit(std::vector{first, third}, start);
  EXPECT_EQ(code_of(acks[0]), errc::none);
  EXPECT_EQ(code_of(acks[1]), errc::sequence_gap);
  EXPECT_EQ(target->last(maker.stream()), first.header().end_point());

  auto shifted = second.header();
  shifted.position_begin += 1;
  shifted.position_end += 1;
  auto wrong = frame::encode(shifted, second.payload()).value();
  EXPECT_EQ(code_of(target->commit(std::vector{wrong}, start)[0]), errc::sequence_gap);
  EXPECT_TRUE(target->commit(std::vector{second, third}, start)[1]);

  frame_maker unknown{make_stream(9)};
  unknown.lines("x\n");
  EXPECT_EQ(code_of(target->commit(std::vector{unknown.lines("y\n")}, start)[0]), errc::sequence_gap);
  EXPECT_EQ(target->counters().refused, 3u);
}

// A frame of the older shipper was stored between the newer one's welcome and its first frame, which then did not join.
TEST_F(storage_store, fences_older_epochs_from_the_hello_on) {
  auto target = open();
  target->commit(std::vector{maker.lines("a\n")}, start);
  auto in_flight = maker.lines("b\n");
  EXPECT_EQ(target->greet({maker.stream(), {1, 1, 2}, {}, 2}).last, (stream_point{2, 0, 2}));
  EXPECT_EQ(code_of(target->commit(std::vector{in_flight}, start)[0]), errc::stale_epoch);
  maker.start_epoch(2, 2);
  auto fresh = maker.lines("new\n");
  EXPECT_EQ(target->commit(std::vector{fresh}, start)[0], (ack{maker.stream(), {2, 1, 6}}));
  EXPECT_EQ(target->greet({maker.stream(), {2, 1, 6}, {}, 2}).last, maker.last());
}

TEST_F(storage_store, the_hello_of_an_older_epoch_takes_no_fence_away) {
  auto target = open();
  auto first = maker.lines("a\n");
  EXPECT_EQ(target->greet({maker.stream(), {}, {}, 3}).last, (stream_point{3, 0, 0}));
  EXPECT_EQ(target->greet({maker.stream(), {}, {}, 1}).last, (stream_point{3, 0, 0}));
  EXPECT_EQ(code_of(target->commit(std::vector{first}, start)[0]), errc::stale_epoch);
}

TEST_F(storage_store, a_fence_lasts_as_long_as_the_store_is_open) {
  auto target = open();
  target->commit(std::vector{maker.lines("a\n")}, start);
  target->greet({maker.stream(), {}, {}, 2});
  target.reset();
  EXPECT_EQ(open()->greet({maker.stream(), {}, {}, 1}).last, maker.last());
}

TEST_F(storage_store, fences_are_bounded) {
  options.max_streams = 3;
  auto target = open();
  for (std::uint8_t i = 0; i < 10; ++i)
    EXPECT_EQ(target->greet({make_stream(i), {}, {}, 2}).last, (stream_point{2, 0, 0}));
  auto holding = 0;
  for (std::uint8_t i = 0; i < 10; ++i)
    holding += target->greet({make_stream(i), {}, {}, 0}).last.epoch == 2;
  EXPECT_EQ(holding, 3);
}

TEST_F(storage_store, fences_older_epochs) {
  auto target = open();
  auto old = maker.lines("a\n");
  auto old_next = maker.lines("b\n");
  target->commit(std::vector{old}, start);
  maker.start_epoch(2, 2);
  auto fresh = maker.lines("new\n");
  EXPECT_EQ(target->commit(std::vector{fresh}, start)[0], (ack{maker.stream(), {2, 1, 6}}));
  EXPECT_EQ(code_of(target->commit(std::vector{old_next}, start)[0]), errc::stale_epoch);
  EXPECT_EQ(code_of(target->commit(std::vector{old}, start)[0]), errc::stale_epoch);
  target.reset();
  EXPECT_EQ(code_of(open()->commit(std::vector{old_next}, start)[0]), errc::stale_epoch);
}

TEST_F(storage_store, is_locked_while_open) {
  auto target = open();
  auto second = store::open(files, folder, options, start);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::locked);
  target->close();
  EXPECT_TRUE(store::open(files, folder, options, start));
}

TEST_F(storage_store, rotates_by_size_and_seals) {
  options.segment_bytes = 1000;
  auto target = open();
  std::vector<frame> frames;
  for (int i = 0; i < 20; ++i)
    frames.push_back(maker.lines(std::string(100, 'x') + "\n"));
  for (auto& answer : target->commit(frames, start))
    EXPECT_TRUE(answer);
  auto segments = list_segments(files, folder).value();
  ASSERT_GT(segments.size(), 3u);
  for (auto& segment : segments) {
    auto reader = segment_reader::open(files, segment.path).value();
    EXPECT_EQ(reader.is_sealed(), segment.number != segments.back().number);
    EXPECT_LE(reader.body_end() - reader.header().encoded_bytes(), options.segment_bytes);
  }
  EXPECT_EQ(stored_frames(files), 20u);
  target.reset();
  EXPECT_EQ(open()->last(maker.stream()), maker.last());
}

TEST_F(storage_store, a_frame_larger_than_a_segment_has_one_of_its_own) {
  options.segment_bytes = 100;
  auto target = open();
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(target->commit(std::vector{maker.lines(std::string(500, 'x'))}, start)[0]);
  EXPECT_EQ(list_segments(files, folder)->size(), 3u);
}

TEST_F(storage_store, many_streams_do_not_make_segments_small) {
  options.segment_bytes = 4096;
  auto target = open();
  for (std::uint8_t i = 1; i <= 100; ++i) // their entries alone exceed a segment's size
    target->commit(std::vector{frame_maker{make_stream(1, i)}.lines("x\n")}, start);
  auto before = list_segments(files, folder)->size();
  std::vector<frame> frames;
  for (int i = 0; i < 40; ++i)
    frames.push_back(maker.lines("y\n"));
  for (auto& answer : target->commit(frames, start))
    EXPECT_TRUE(answer);
  EXPECT_LE(list_segments(files, folder)->size(), before + 3);
}

TEST_F(storage_store, makes_its_folder_and_those_above_it_durable) {
  const std::filesystem::path deep = "/var/lib/sluice";
  {
    auto target = store::open(files, deep, options, start);
    ASSERT_TRUE(target) << target.error().message;
    EXPECT_TRUE((*target)->commit(std::vector{maker.lines("a\n")}, start)[0]);
  }
  files.crash();
  EXPECT_EQ(store::open(files, deep, options, start).value()->last(maker.stream()), maker.last());
}

TEST_F(storage_store, rotates_by_age_only_what_holds_a_frame) {
  auto target = open();
  auto later = start + std::chrono::hours{2};
  ASSERT_TRUE(target->tend(later));
  EXPECT_EQ(list_segments(files, folder)->size(), 1u);
  target->commit(std::vector{maker.lines("a\n")}, start);
  ASSERT_TRUE(target->tend(start + std::chrono::minutes{59}));
  EXPECT_EQ(list_segments(files, folder)->size(), 1u);
  ASSERT_TRUE(target->tend(later));
  EXPECT_EQ(list_segments(files, folder)->size(), 2u);
  EXPECT_TRUE(target->commit(std::vector{maker.lines("b\n")}, later)[0]);
}

TEST_F(storage_store, goes_on_behind_a_sealed_last_segment) {
  {
    auto target = open();
    target->commit(std::vector{maker.lines("a\n")}, start);
    target->tend(start + options.segment_age);
  }
  files.remove(segment(2));
  auto target = open();
  EXPECT_EQ(target->last(maker.stream()), maker.last());
  EXPECT_TRUE(target->commit(std::vector{maker.lines("b\n")}, start)[0]);
  EXPECT_EQ(segment_reader::open(files, segment(2))->index().frames.size(), 1u);
}

TEST_F(storage_store, start_reads_only_the_last_segment) {
  options.segment_bytes = 2000;
  {
    auto target = open();
    for (int i = 0; i < 200; ++i)
      target->commit(std::vector{maker.lines(std::string(150, 'x') + "\n")}, start);
  }
  auto segments = list_segments(files, folder).value();
  ASSERT_GT(segments.size(), 20u);
  std::vector<std::uint64_t> before;
  for (auto& segment : segments)
    before.push_back(files.bytes_read(segment.path));
  EXPECT_EQ(open()->last(maker.stream()), maker.last());
  for (std::size_t i = 0; i + 1 < segments.size(); ++i)
    EXPECT_EQ(files.bytes_read(segments[i].path), before[i]) << segments[i].path;
  EXPECT_GT(files.bytes_read(segments.back().path), before.back());
}

TEST_F(storage_store, forgets_the_streams_not_stored_to_for_longest) {
  options.max_streams = 2;
  options.segment_age = std::chrono::seconds{10};
  auto target = open();
  for (std::uint8_t i = 1; i <= 3; ++i)
    target->commit(std::vector{frame_maker{make_stream(i)}.lines("x\n")}, start + std::chrono::seconds{i});
  ASSERT_TRUE(target->tend(start + std::chrono::minutes{1}));
  EXPECT_EQ(target->last(make_stream(1)), stream_point{});
  EXPECT_EQ(target->last(make_stream(2)).sequence, 1u);
  EXPECT_EQ(target->last(make_stream(3)).sequence, 1u);
}

TEST_F(storage_store, accepts_nothing_from_90_percent_on_until_below_85) {
  auto target = open();
  auto first = maker.lines(std::string(1000, 'x'));
  target->commit(std::vector{first}, start);
  auto used = used_bytes();
  auto next = maker.lines("y\n");
  auto answer_at = [&](unsigned percent) {
    files.set_capacity(used * 100 / percent);
    return code_of(target->commit(std::vector{next}, start)[0]);
  };
  EXPECT_EQ(answer_at(91), errc::storage_full);
  ASSERT_TRUE(target->full());
  EXPECT_NE(target->full()->message.find("/store"), std::string::npos) << target->full()->message;
  EXPECT_EQ(answer_at(86), errc::storage_full);
  EXPECT_TRUE(target->commit(std::vector{first}, start)[0]) << "what is stored already is acknowledged";
  EXPECT_EQ(answer_at(84), errc::none);
  EXPECT_FALSE(target->full());
  used = used_bytes();
  next = maker.lines("z\n");
  EXPECT_EQ(answer_at(89), errc::none) << "it was not full before";
}

TEST_F(storage_store, tending_finds_out_that_there_is_space_again) {
  auto target = open();
  target->commit(std::vector{maker.lines("a\n")}, start);
  files.set_capacity(used_bytes());
  EXPECT_EQ(target->tend(start).error().code, errc::storage_full);
  EXPECT_TRUE(target->full());
  files.set_capacity(1'000'000);
  EXPECT_TRUE(target->tend(start));
  EXPECT_FALSE(target->full());
}

TEST_F(storage_store, a_full_disk_leaves_nothing_half_written) {
  options.max_used_percent = 105;
  auto target = open();
  target->commit(std::vector{maker.lines("a\n")}, start);
  auto good = files.content(segment(1));
  files.set_capacity(used_bytes() + 200);
  auto large = maker.lines(std::string(1000, 'x'));
  EXPECT_EQ(code_of(target->commit(std::vector{large}, start)[0]), errc::storage_full);
  EXPECT_TRUE(target->full());
  EXPECT_EQ(files.content(segment(1)), good);
  files.set_capacity(1'000'000);
  EXPECT_TRUE(target->commit(std::vector{large}, start)[0]);
  EXPECT_EQ(stored_frames(files), 2u);
}

TEST_F(storage_store, starts_on_a_full_disk_and_goes_on_once_there_is_space) {
  {
    auto target = open();
    target->commit(std::vector{maker.lines("a\n")}, start);
    target->tend(start + options.segment_age);
  }
  files.remove(segment(2));
  files.set_capacity(used_bytes());
  auto target = open();
  EXPECT_TRUE(target->full());
  EXPECT_EQ(target->last(maker.stream()), maker.last());
  auto next = maker.lines("b\n");
  EXPECT_EQ(code_of(target->commit(std::vector{next}, start)[0]), errc::storage_full);
  EXPECT_EQ(target->tend(start).error().code, errc::storage_full);
  files.set_capacity(1'000'000);
  EXPECT_TRUE(target->commit(std::vector{next}, start)[0]);
  EXPECT_EQ(stored_frames(files), 2u);
}

TEST_F(storage_store, a_failed_write_acknowledges_nothing_and_is_cut_back) {
  auto target = open();
  target->commit(std::vector{maker.lines("a\n")}, start);
  auto good = files.content(segment(1));
  std::vector<frame> frames{maker.lines("b\n"), maker.lines("c\n")};
  files.fail_write(1, errc::io_error);
  for (auto& answer : target->commit(frames, start))
    EXPECT_EQ(code_of(answer), errc::io_error);
  EXPECT_EQ(files.content(segment(1)), good);
  EXPECT_EQ(target->last(maker.stream()).sequence, 1u);
  for (auto& answer : target->commit(frames, start))
    EXPECT_TRUE(answer);
}

TEST_F(storage_store, a_failed_sync_acknowledges_nothing_and_trusts_no_cache) {
  auto target = open();
  target->commit(std::vector{maker.lines("a\n")}, start);
  std::vector<frame> frames{maker.lines(std::string(2000, 'b')), maker.lines(std::string(2000, 'c'))};
  files.fail_sync(1, errc::io_error);
  for (auto& answer : target->commit(frames, start))
    EXPECT_EQ(code_of(answer), errc::io_error);
  for (auto& answer : target->commit(frames, start))
    EXPECT_TRUE(answer);
  files.crash();
  EXPECT_EQ(open()->last(maker.stream()), maker.last());
}

TEST_F(storage_store, durability_decides_when_to_sync) {
  for (auto level : {durability::os, durability::memory}) {
    options.durability = level;
    auto target = open();
    auto before = files.syncs();
    EXPECT_TRUE(target->commit(std::vector{maker.lines("a\n")}, start)[0]);
    EXPECT_EQ(files.syncs(), before);
    EXPECT_TRUE(target->close());
    EXPECT_EQ(files.syncs(), before + (level == durability::os));
  }
}

} // namespace
} // namespace sluice

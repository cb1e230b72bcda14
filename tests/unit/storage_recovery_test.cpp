#include <random>

#include <gtest/gtest.h>

#include "actors/storage/store.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using test::frame_maker;
using test::make_stream;

const std::filesystem::path folder = "/store";
const auto first_segment = folder / segment_name(1);
const auto start = test::at_seconds(1'700'000'000);

/// Every frame of the store in order, all of which must load.
std::vector<frame> stored(file_system& files) {
  std::vector<frame> result;
  auto segments = list_segments(files, folder).value();
  for (auto& segment : segments) {
    auto reader = segment_reader::open(files, segment.path).value();
    for (auto& entry : reader.index().frames)
      result.push_back(reader.load(entry).value());
  }
  return result;
}

class storage_recovery : public testing::Test {
protected:
  auto open() { return store::open(files, folder, options, start); }

  /// A store with one commit per frame, not closed.
  std::string fill(int frames) {
    auto target = open().value();
    for (int i = 0; i < frames; ++i)
      EXPECT_TRUE(target->commit(std::vector{maker.lines("line " + std::to_string(i) + "\n")}, start)[0]);
    return files.content(first_segment);
  }

  static bool is_payload(const std::vector<frame_entry>& entries, std::size_t offset) {
    return std::ranges::any_of(entries,
      [&](const frame_entry& entry) { return offset >= entry.offset + entry.header_bytes && offset < entry.end(); });
  }

  test::sim_file_system files{7};
  store_options options;
  frame_maker maker{make_stream(1)};
};

TEST_F(storage_recovery, cuts_a_tail_torn_at_any_byte) {
  auto whole = fill(3);
  auto entries = segment_reader::open(files, first_segment)->index().frames;
  auto kept_end = entries[1].end();
  auto last_end = entries[2].end();
  ASSERT_EQ(last_end, whole.size());
  for (auto size = kept_end + 1; size < last_end; ++size) {
    files.set_content(first_segment, whole.substr(0, size));
    auto target = open();
    ASSERT_TRUE(target) << target.error().message;
    EXPECT_EQ((*target)->last(maker.stream()).sequence, 2u) << size;
    auto mark_is_whole = size >= kept_end + segment_limits::mark_bytes;
    auto cut_at = mark_is_whole ? kept_end + segment_limits::mark_bytes : kept_end;
    auto& cut = (*target)->recovery().cut;
    EXPECT_EQ(cut.has_value(), size != cut_at);
    if (cut) {
      EXPECT_EQ(cut->where.offset, cut_at);
      EXPECT_EQ(cut->bytes, size - cut_at);
    }
    EXPECT_EQ(files.content(first_segment), whole.substr(0, cut_at));
  }
}

// A disk that fails to read what it has does not make that torn.
TEST_F(storage_recovery, cuts_nothing_off_that_cannot_be_read_at_the_moment) {
  auto whole = fill(3);
  auto failed = 0;
  for (auto i = 0; i < 200; ++i) {
    files.fail_calls(50, errc::io_error);
    failed += !open();
    files.clear_faults();
    ASSERT_EQ(files.content(first_segment).substr(0, whole.size()), whole);
  }
  EXPECT_GT(failed, 0);
  EXPECT_EQ(open().value()->last(maker.stream()).sequence, 3u);
}

// After a sync that failed the system may keep what was to be written in memory, as if it were on the disk: a process
// that finds it there and only syncs it again has acknowledged what the next loss of power takes away.
TEST_F(storage_recovery, what_a_failed_sync_has_left_is_written_again) {
  options.segment_bytes = 2'000;
  auto found_more = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    test::sim_file_system disk{seed};
    auto target = store::open(disk, folder, options, start).value();
    frame_maker lines{make_stream(1)};
    std::uint64_t acked = 0;
    for (std::uint64_t i = 0; i < 8; ++i) {
      if (i == seed % 8)
        disk.fail_calls(400, errc::io_error);
      auto answers = target->commit(std::vector{lines.lines(std::string(300, 'a'))}, start);
      acked = answers[0] ? answers[0]->last.sequence : acked;
    }
    disk.clear_faults();
    target.reset();
    auto greeted = store::open(disk, folder, options, start).value()->last(lines.stream()).sequence;
    EXPECT_GE(greeted, acked);
    found_more += greeted > acked;
    disk.crash();
    auto after = store::open(disk, folder, options, start);
    ASSERT_TRUE(after) << "seed " << seed << ": " << after.error().message;
    ASSERT_EQ((*after)->last(lines.stream()).sequence, greeted) << "seed " << seed;
    auto segments = list_segments(disk, folder).value();
    for (auto& segment : segments) {
      auto reader = segment_reader::open(disk, segment.path).value();
      EXPECT_EQ(reader.is_sealed(), segment.path != (*after)->recovery().active) << "seed " << seed;
      for (auto& entry : reader.index().frames)
        EXPECT_TRUE(reader.load(entry)) << "seed " << seed;
    }
  }
  EXPECT_GT(found_more, 0);
}

TEST_F(storage_recovery, cuts_a_tail_with_any_byte_changed) {
  auto whole = fill(3);
  auto entries = segment_reader::open(files, first_segment)->index().frames;
  for (auto at = entries[1].end(); at < whole.size(); ++at) {
    auto changed = whole;
    changed[at] ^= 0x10;
    files.set_content(first_segment, changed);
    auto target = open();
    ASSERT_TRUE(target) << target.error().message;
    EXPECT_EQ((*target)->last(maker.stream()).sequence, 2u) << at;
    ASSERT_TRUE((*target)->recovery().cut);
  }
}

TEST_F(storage_recovery, corruption_before_the_last_mark_is_an_error_and_nothing_is_cut) {
  auto whole = fill(4);
  auto entries = segment_reader::open(files, first_segment)->index().frames;
  for (std::size_t at = 0; at < entries[3].offset - segment_limits::mark_bytes; ++at) {
    auto changed = whole;
    changed[at] ^= 0x01;
    files.set_content(first_segment, changed);
    auto target = open();
    if (is_payload(entries, at)) {
      EXPECT_TRUE(target) << "payloads are read by who needs them";
    } else {
      ASSERT_FALSE(target) << at;
      EXPECT_NE(target.error().message.find(first_segment.string()), std::string::npos);
      EXPECT_EQ(files.content(first_segment), changed);
    }
  }
}

TEST_F(storage_recovery, after_an_orderly_close_every_frame_is_protected) {
  fill(2);
  ASSERT_TRUE(open().value()->close());
  auto whole = files.content(first_segment);
  auto entries = segment_reader::open(files, first_segment)->index().frames;
  for (std::size_t at = 0; at < whole.size() - segment_limits::mark_bytes; ++at) {
    auto changed = whole;
    changed[at] ^= 0x80;
    files.set_content(first_segment, changed);
    auto target = open();
    EXPECT_EQ(target.has_value(), is_payload(entries, at)) << at;
    if (target)
      EXPECT_EQ((*target)->last(maker.stream()), maker.last()) << "what was acknowledged stays so";
  }
}

TEST_F(storage_recovery, without_marks_every_payload_is_read) {
  options.durability = durability::os;
  auto whole = fill(3);
  auto entries = segment_reader::open(files, first_segment)->index().frames;
  whole[entries[1].end() - 1] ^= 0x01;
  files.set_content(first_segment, whole);
  auto target = open();
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ((*target)->last(maker.stream()).sequence, 1u);
  EXPECT_EQ((*target)->recovery().cut->where.offset, entries[1].offset);
}

TEST_F(storage_recovery, reads_no_payload_before_the_last_mark) {
  {
    auto target = open().value();
    for (int i = 0; i < 50; ++i)
      EXPECT_TRUE(target->commit(std::vector{maker.lines(std::string(20'000, 'x'))}, start)[0]);
  }
  auto before = files.bytes_read(first_segment);
  EXPECT_TRUE(open());
  EXPECT_LT(files.bytes_read(first_segment) - before, 150'000);
}

TEST_F(storage_recovery, a_commit_may_lose_its_middle) {
  fill(1);
  auto good = files.content(first_segment);
  {
    auto target = open().value();
    std::vector frames{maker.lines(std::string(600, 'a')), maker.lines(std::string(600, 'b'))};
    ASSERT_TRUE(target->commit(frames, start)[1]);
  }
  auto torn = files.content(first_segment);
  auto second = segment_reader::open(files, first_segment)->index().frames[1];
  std::fill_n(torn.begin() + static_cast<std::ptrdiff_t>(second.offset) + 200, 100, '\0');
  files.set_content(first_segment, torn);
  auto target = open();
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ((*target)->last(maker.stream()).sequence, 1u);
}

TEST_F(storage_recovery, removes_unfinished_segments) {
  fill(1);
  auto left = folder / (segment_name(2) + ".tmp");
  files.set_content(left, "half");
  ASSERT_TRUE(open());
  EXPECT_EQ(files.open(left, open_mode::read).error().code, errc::not_found);
}

TEST_F(storage_recovery, what_recovery_keeps_is_synced) {
  options.durability = durability::os;
  fill(3);
  options.durability = durability::fsync;
  EXPECT_EQ(open().value()->last(maker.stream()).sequence, 3u);
  files.crash();
  EXPECT_EQ(open().value()->last(maker.stream()).sequence, 3u);
}

/// One run of producers and a store that dies over and over: its power fails at some operation, or only the process is
/// killed and what was not synced is still there.
class crash_run {
public:
  explicit crash_run(std::uint64_t seed) : rng_(seed), files_(seed * 31) {
    options_.segment_bytes = 3000 + rng_() % 4000;
    options_.max_used_percent = 101;
    for (std::uint8_t i = 1; i <= 3; ++i)
      streams_.push_back({frame_maker{make_stream(i)}, {}, 0});
  }

  void go() {
    for (int life = 0; life < 6 && !testing::Test::HasFailure(); ++life) {
      auto fault = rng_() % 4;
      if (fault == 0)
        files_.fail_write(1 + rng_() % 10, errc::io_error);
      else if (fault == 1)
        files_.fail_sync(1 + rng_() % 10, errc::io_error);
      auto power_fails = rng_() % 3 != 0;
      if (power_fails)
        files_.power_off_after(1 + rng_() % 40);
      live(power_fails ? 1000 : rng_() % 10);
      if (power_fails)
        files_.crash();
      files_.clear_faults();
      check();
    }
  }

private:
  struct producer {
    frame_maker maker;
    std::vector<frame> made;
    std::uint64_t acknowledged = 0;
  };

  void live(std::uint64_t commits) {
    auto target = store::open(files_, folder, options_, start);
    if (!target) {
      EXPECT_TRUE(files_.is_off() || target.error().code == errc::io_error) << target.error().message;
      return;
    }
    check_resume_points(**target);
    for (; commits > 0 && !files_.is_off(); --commits) {
      auto frames = next_commit(**target);
      auto answers = (*target)->commit(frames, start);
      for (std::size_t i = 0; i < frames.size(); ++i)
        if (answers[i])
          acknowledge(*answers[i]);
    }
  }

  producer& of(const stream_id& stream) { return streams_[stream.source[0] - 1u]; }

  void acknowledge(const ack& got) {
    auto& known = of(got.stream).acknowledged;
    known = std::max(known, got.last.sequence);
  }

  void check_resume_points(const store& target) {
    for (auto& each : streams_) {
      auto durable = target.last(each.maker.stream()).sequence;
      EXPECT_GE(durable, each.acknowledged);
      EXPECT_LE(durable, each.made.size());
    }
  }

  /// Some frames after the durable point, sometimes with duplicates before it.
  std::vector<frame> next_commit(const store& target) {
    std::vector<frame> result;
    for (auto& each : streams_) {
      auto at = target.last(each.maker.stream()).sequence;
      at -= std::min<std::uint64_t>(at, rng_() % 3);
      for (auto count = rng_() % 4; count > 0; --count, ++at) {
        if (at == each.made.size())
          each.made.push_back(each.maker.lines(std::string(1 + rng_() % 900, 'x')));
        result.push_back(each.made[at]);
      }
    }
    return result;
  }

  /// What was acknowledged is there, once, in order; and nothing that was not sent.
  void check() {
    auto target = store::open(files_, folder, options_, start);
    ASSERT_TRUE(target) << target.error().message;
    check_resume_points(**target);
    std::map<stream_id, std::uint64_t> seen;
    for (auto& each : stored(files_)) {
      auto& header = each.header();
      ASSERT_EQ(header.sequence, ++seen[header.stream]);
      auto& sent = of(header.stream).made[header.sequence - 1];
      ASSERT_TRUE(std::ranges::equal(each.bytes(), sent.bytes()));
    }
    for (auto& each : streams_)
      EXPECT_EQ(seen[each.maker.stream()], (*target)->last(each.maker.stream()).sequence);
  }

  std::mt19937_64 rng_;
  test::sim_file_system files_;
  store_options options_;
  std::vector<producer> streams_;
};

TEST(storage_crash, keeps_what_was_acknowledged_once_and_in_order) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    crash_run{seed}.go();
    if (testing::Test::HasFailure())
      return;
  }
}

} // namespace
} // namespace sluice

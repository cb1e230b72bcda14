#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/spool/spool_log.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using test::at_seconds;
using test::frame_maker;
using test::make_stream;

const std::filesystem::path folder = "/spool";
const auto start = at_seconds(1'700'000'000);
constexpr std::size_t window = 100'000'000;
constexpr std::size_t large = 400'000; ///< Two and a bit of such lines fill a segment.

class spool : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }

  void open() {
    log_.reset();
    auto opened = spool_log::open(files, folder, limits, start);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }

  void append(std::vector<frame> frames) {
    for (auto& answer : log_->append(frames, start))
      ASSERT_TRUE(answer) << answer.error().message;
  }

  /// Names what is read: stream and sequence of each frame.
  std::string read(std::size_t window_bytes = window) {
    auto frames = log_->read(window_bytes);
    if (!frames)
      return frames.error().message;
    std::string text;
    for (auto& x : *frames)
      text += static_cast<char>('a' + x.header().stream.source[0]) + std::to_string(x.header().sequence) + ' ';
    return text;
  }

  std::size_t segments() const { return list_segments(files, folder).value().size(); }

  mutable test::sim_file_system files{1};
  spool_limits limits{.max_bytes = 16 * 1024 * 1024};
  std::unique_ptr<spool_log> log_;
  frame_maker a{make_stream(0)}, b{make_stream(1)};
};

std::string line_of(std::size_t bytes) {
  return std::string(bytes - 1, 'x') + '\n';
}

frame frame_of(frame_header header, std::string_view text) {
  lines_payload payload;
  payload.append(text);
  auto bytes = std::move(payload).finish(start);
  header.first_timestamp = header.last_timestamp = start;
  return frame::encode(header, bytes.view()).value();
}

TEST_F(spool, a_greater_epoch_that_begins_before_its_frames_acknowledges_none_of_them) {
  open();
  append({a.lines("1\n"), a.lines("2\n")});
  log_->resume(a.stream(), {2, 0, 2});
  EXPECT_FALSE(log_->is_acknowledged(a.stream()));
  EXPECT_EQ(read(), "");
  EXPECT_EQ(log_->handed_on_to(a.stream()), 2) << "it cannot go on";
  EXPECT_EQ(log_->waiting().records, 1);
}

TEST_F(spool, knows_the_epoch_of_the_first_frame_that_it_has_found) {
  open();
  a.start_epoch(2);
  append({a.lines("1\n")});
  a.start_epoch(3, 2);
  append({a.lines("2\n")});
  open();
  EXPECT_EQ(log_->first_epoch(a.stream()), 2);
  EXPECT_EQ(log_->first_epoch(b.stream()), 0);
}

TEST_F(spool, knows_after_a_restart_what_must_be_acknowledged_for_it_was_removed) {
  open();
  for (int i = 0; i < 6; ++i)
    append({a.lines(line_of(large))});
  log_->resume(a.stream(), {});
  read();
  log_->acknowledge(a.stream(), a.last());
  ASSERT_TRUE(log_->reclaim(start));
  auto removed = a.last();
  append({a.lines("1\n"), b.lines("1\n")});
  open();
  EXPECT_LE(log_->acked(a.stream()), removed);
  EXPECT_GT(log_->acked(a.stream()).position, 0);
  EXPECT_EQ(log_->acked(b.stream()).position, 0);
  EXPECT_FALSE(log_->is_acknowledged(a.stream()));
  log_->resume(a.stream(), log_->acked(a.stream()));
  log_->resume(b.stream(), log_->acked(b.stream()));
  EXPECT_TRUE(read().ends_with("a7 b1 "));
}

TEST_F(spool, hands_on_in_stored_order_once_the_receiver_has_answered) {
  open();
  append({a.lines("1\n"), b.lines("1\n"), a.lines("2\n")});
  EXPECT_EQ(read(), "");
  log_->resume(a.stream(), {});
  EXPECT_EQ(read(), "a1 ") << "b waits, and keeps its place";
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "b1 a2 ");
  EXPECT_EQ(read(), "");
  append({a.lines("3\n")});
  EXPECT_EQ(read(), "a3 ");
}

TEST_F(spool, hands_on_no_more_than_the_window) {
  open();
  std::vector<frame> frames;
  for (int i = 0; i < 10; ++i)
    frames.push_back(a.lines("line\n"));
  append(frames);
  log_->resume(a.stream(), {});
  EXPECT_EQ(read(3 * frames[0].size()), "a1 a2 a3 ");
  EXPECT_EQ(log_->handed_on_bytes(), 3 * frames[0].size());
  EXPECT_EQ(read(3 * frames[0].size()), "");
  log_->acknowledge(a.stream(), frames[1].header().end_point());
  EXPECT_EQ(log_->handed_on_bytes(), frames[0].size());
  EXPECT_EQ(read(3 * frames[0].size()), "a4 a5 ");
}

TEST_F(spool, counts_what_is_not_acknowledged) {
  open();
  append({a.lines("1\n2\n"), b.lines("three\n"), a.lines("4\n")});
  EXPECT_EQ(log_->waiting(), (spool_content{4, 12}));
  log_->resume(a.stream(), {});
  log_->resume(b.stream(), b.last());
  EXPECT_EQ(read(), "a1 a2 ");
  EXPECT_EQ(log_->waiting(), (spool_content{3, 6})) << "b is acknowledged";
  log_->acknowledge(a.stream(), {1, 1, 4});
  EXPECT_EQ(log_->waiting(), (spool_content{1, 2}));
  EXPECT_FALSE(log_->is_all_acknowledged());
  log_->acknowledge(a.stream(), a.last());
  EXPECT_EQ(log_->waiting(), spool_content{});
  EXPECT_TRUE(log_->is_all_acknowledged());
}

TEST_F(spool, goes_on_after_a_crash_where_the_receiver_says) {
  open();
  append({a.lines("1\n", start), a.lines("2\n"), b.lines("1\n")});
  log_->resume(a.stream(), {});
  EXPECT_EQ(read(), "a1 a2 ");
  log_.reset();
  files.crash();
  open();
  EXPECT_EQ(log_->found().size(), 2u);
  EXPECT_EQ(log_->waiting().records, 3u);
  EXPECT_EQ(log_->last(a.stream()), a.last());
  log_->resume(a.stream(), {1, 1, 2});
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "a2 b1 ");
  EXPECT_EQ(log_->waiting().records, 2u);
}

TEST_F(spool, gives_out_again_what_the_receiver_has_not) {
  open();
  append({a.lines("1\n"), b.lines("1\n"), a.lines("2\n"), b.lines("2\n")});
  log_->resume(a.stream(), {});
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "a1 b1 a2 b2 ");
  log_->acknowledge(b.stream(), {1, 1, 2});
  log_->resume(a.stream(), {1, 1, 2});
  EXPECT_EQ(read(), "a2 ") << "b is on its way still";
  log_->acknowledge(a.stream(), a.last());
  log_->acknowledge(b.stream(), b.last());
  EXPECT_EQ(log_->handed_on_bytes(), 0u);
  EXPECT_EQ(log_->waiting(), spool_content{});
}

TEST_F(spool, removes_segments_that_are_acknowledged) {
  open();
  append({a.lines(line_of(large)), a.lines(line_of(large)), b.lines("1\n")});
  for (int i = 0; i < 4; ++i)
    append({a.lines(line_of(large))});
  ASSERT_EQ(segments(), 3u);
  auto full = log_->disk_bytes();
  log_->resume(a.stream(), {});
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "a1 a2 b1 a3 a4 a5 a6 ");
  log_->acknowledge(a.stream(), a.last());
  ASSERT_TRUE(log_->reclaim(start));
  EXPECT_EQ(segments(), 3u) << "b is not acknowledged";
  log_->acknowledge(b.stream(), b.last());
  ASSERT_TRUE(log_->reclaim(start));
  EXPECT_EQ(segments(), 1u) << "the active one stays";
  EXPECT_LT(log_->disk_bytes(), full - 4 * large);
  append({a.lines("last\n")});
  EXPECT_EQ(read(), "a7 ");
}

TEST_F(spool, reads_on_in_a_segment_that_was_sealed_meanwhile) {
  open();
  log_->resume(a.stream(), {});
  append({a.lines(line_of(large))});
  EXPECT_EQ(read(), "a1 ");
  append({a.lines(line_of(large)), a.lines(line_of(large)), a.lines("4\n")});
  ASSERT_EQ(segments(), 2u);
  EXPECT_EQ(read(), "a2 a3 a4 ");
}

TEST_F(spool, reads_each_byte_of_the_active_segment_once) {
  open();
  log_->resume(a.stream(), {});
  std::size_t bytes = 0;
  for (int i = 0; i < 100; ++i) {
    auto next = a.lines("line\n");
    bytes += next.size();
    append({next});
    read();
  }
  EXPECT_LT(files.bytes_read(folder / segment_name(1)), bytes + 1024);
}

TEST_F(spool, is_full_at_its_bound_and_has_room_again) {
  limits.max_bytes = 3'000'000;
  open();
  int frames = 0;
  for (; log_->has_room(large); ++frames)
    append({a.lines(line_of(large))});
  EXPECT_EQ(frames, 7);
  EXPECT_LE(log_->disk_bytes(), limits.max_bytes);
  log_->resume(a.stream(), {});
  read();
  log_->acknowledge(a.stream(), {1, 2, 2 * large});
  ASSERT_TRUE(log_->reclaim(start));
  EXPECT_TRUE(log_->has_room(large));
}

TEST_F(spool, gives_back_a_full_disk_once_all_is_acknowledged) {
  open();
  auto space = files.space(folder).value();
  files.set_capacity(space.capacity - space.available + 2 * large);
  while (log_->append(std::vector{a.lines(line_of(large / 4))}, start)[0])
    ;
  ASSERT_EQ(segments(), 1u);
  frame_maker next{make_stream(1)};
  auto refused = next.lines("1\n");
  log_->resume(a.stream(), {});
  read();
  ASSERT_TRUE(log_->reclaim(start));
  EXPECT_FALSE(log_->append(std::vector{refused}, start)[0]) << "something waits";
  log_->resume(a.stream(), log_->last(a.stream()));
  ASSERT_TRUE(log_->reclaim(start));
  EXPECT_EQ(segments(), 1u);
  append({refused});
  EXPECT_EQ(log_->last(a.stream()).epoch, 1u) << "where the stream stands is still known";
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "b1 ");
}

TEST_F(spool, takes_any_frame_when_nothing_waits) {
  limits.max_bytes = 1'000;
  open();
  EXPECT_TRUE(log_->has_room(large));
  append({a.lines(line_of(large))});
  EXPECT_FALSE(log_->has_room(1));
  log_->resume(a.stream(), a.last());
  EXPECT_TRUE(log_->has_room(large));
}

TEST_F(spool, leaves_an_empty_folder_that_can_be_used_again) {
  open();
  append({a.lines(line_of(large)), a.lines(line_of(large)), a.lines(line_of(large))});
  log_->resume(a.stream(), a.last());
  read();
  ASSERT_TRUE(log_->clear());
  EXPECT_EQ(segments(), 0u);
  EXPECT_EQ(log_->disk_bytes(), 0u);
  open();
  EXPECT_TRUE(log_->found().empty());
  frame_maker fresh{make_stream(2)};
  append({fresh.lines("1\n")});
  log_->resume(fresh.stream(), {});
  EXPECT_EQ(read(), "c1 ");
}

TEST_F(spool, waits_for_the_end_of_an_epoch_before_the_next) {
  open();
  auto first = a.lines("1\n");
  append({first});
  frame_header header;
  header.stream = a.stream();
  header.epoch = 2;
  header.position_begin = 2;
  header.position_end = 4;
  append({frame_of(header, "2\n")});
  log_->resume(a.stream(), {});
  EXPECT_EQ(read(), "a1 ");
  EXPECT_EQ(log_->handed_on_to(a.stream()), std::nullopt);
  log_->acknowledge(a.stream(), first.header().end_point());
  EXPECT_EQ(read(), "a1 ");
  EXPECT_EQ(log_->handed_on_to(a.stream()), std::optional<std::uint64_t>{4});
}

TEST_F(spool, keeps_what_does_not_join_where_the_receiver_stands) {
  open();
  append({a.lines(line_of(large)), a.lines(line_of(large)), a.lines(line_of(large)), b.lines("1\n")});
  log_->resume(a.stream(), {1, 2, 2 * large});
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "a3 b1 ");
  ASSERT_TRUE(log_->reclaim(start));
  log_->resume(a.stream(), {1, 1, large});
  EXPECT_EQ(read(), "") << "the second frame is gone";
  EXPECT_EQ(log_->handed_on_to(a.stream()), std::optional<std::uint64_t>{large});
  EXPECT_FALSE(log_->is_all_acknowledged());
  log_->resume(a.stream(), {1, 2, 2 * large});
  EXPECT_EQ(read(), "a3 ") << "the receiver has it again";
}

TEST_F(spool, stops_a_stream_at_a_corrupt_frame_and_hands_on_the_others) {
  open();
  append({a.lines("good\n"), a.lines("bad\n"), b.lines("1\n")});
  auto where = folder / segment_name(1);
  auto content = files.content(where);
  content[content.find("bad")] = 'B';
  files.set_content(where, content);
  log_->resume(a.stream(), {});
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "a1 b1 ");
  EXPECT_EQ(log_->handed_on_to(a.stream()), std::optional<std::uint64_t>{5});
}

// What was read before the failure was taken for handed on, and never was.
TEST_F(spool, hands_on_all_of_it_though_reads_fail_in_between) {
  open();
  std::string all;
  for (int i = 1; i <= 50; ++i) {
    append({a.lines("line\n")});
    all += "a" + std::to_string(i) + ' ';
  }
  log_->resume(a.stream(), {});
  files.fail_calls(100, errc::io_error);
  std::string got;
  auto failures = 0;
  for (int i = 0; i < 1'000 && got != all; ++i) {
    auto part = read();
    auto is_failure = part.find("injected") != part.npos;
    failures += is_failure;
    got += is_failure ? "" : part;
  }
  EXPECT_EQ(got, all);
  EXPECT_GT(failures, 0);
}

TEST_F(spool, passes_over_a_stream_that_is_forgotten) {
  open();
  append({a.lines("1\n"), b.lines("1\n")});
  log_->resume(a.stream(), a.last());
  log_->forget(a.stream());
  log_->resume(b.stream(), {});
  EXPECT_EQ(read(), "b1 ");
  log_->acknowledge(b.stream(), b.last());
  EXPECT_TRUE(log_->is_all_acknowledged());
}

TEST_F(spool, drops_the_oldest_that_is_not_on_its_way) {
  open();
  for (int i = 0; i < 7; ++i)
    append({a.lines(line_of(large))});
  ASSERT_EQ(segments(), 4u);
  log_->resume(a.stream(), {});
  EXPECT_EQ(read(1), "a1 ");
  auto full = log_->disk_bytes();
  for (int i = 0; i < 2; ++i) {
    auto dropped = log_->drop_oldest("drop_oldest", start);
    ASSERT_TRUE(dropped) << dropped.error().message;
    EXPECT_EQ(*dropped, (spool_content{2, 2 * large})) << "a segment";
  }
  EXPECT_EQ(log_->drop_oldest("drop_oldest", start).value(), spool_content{}) << "the active one stays";
  EXPECT_EQ(log_->waiting(), (spool_content{3, 3 * large}));
  EXPECT_LT(log_->disk_bytes(), full - 4 * large + 8 * 1024);
  auto frames = log_->read(window).value();
  ASSERT_EQ(frames.size(), 6u);
  for (std::uint64_t i = 0; i < 6; ++i) {
    auto& header = frames[i].header();
    auto is_gap = i >= 1 && i <= 4;
    EXPECT_EQ(header.kind, is_gap ? frame_kind::gap : frame_kind::records) << i;
    EXPECT_EQ(header.end_point(), (stream_point{1, i + 2, (i + 2) * large}));
    EXPECT_EQ(header.record_count, 1u);
    if (is_gap)
      EXPECT_EQ(as_text(frames[i].payload()), "drop_oldest");
  }
  log_->acknowledge(a.stream(), a.last());
  EXPECT_EQ(log_->waiting(), spool_content{});
  log_.reset();
  auto verified = verify_store(files, folder, [](const damage& x) { ADD_FAILURE() << to_string(x); });
  EXPECT_TRUE(verified && verified->problems == 0);
}

TEST_F(spool, drops_nothing_that_was_handed_on_once) {
  open();
  for (int i = 0; i < 5; ++i)
    append({a.lines(line_of(large))});
  log_->resume(a.stream(), {});
  read();
  log_->resume(b.stream(), {});
  append({b.lines("1\n")});
  log_->resume(b.stream(), b.last());
  log_->resume(b.stream(), {});
  EXPECT_EQ(log_->drop_oldest("drop_oldest", start).value(), spool_content{});
}

TEST_F(spool, goes_on_where_a_receiver_is_that_was_fed_past_it) {
  open();
  auto elsewhere = make_stream(9).source;
  EXPECT_EQ(log_->adopt({a.stream(), {}, elsewhere}), stream_point{});
  stream_point there{3, 7, 1'000};
  EXPECT_EQ(log_->adopt({a.stream(), there, elsewhere}), there);
  log_->resume(a.stream(), there);
  EXPECT_EQ(log_->handed_on_to(a.stream()), std::optional<std::uint64_t>{1'000});
  frame_header header;
  header.stream = a.stream();
  header.epoch = 4;
  header.position_begin = 1'000;
  header.position_end = 1'002;
  append({frame_of(header, "2\n")});
  EXPECT_EQ(read(), "a1 ");
  EXPECT_EQ(log_->waiting(), (spool_content{1, 2}));
  log_->acknowledge(a.stream(), {4, 1, 1'002});
  EXPECT_TRUE(log_->is_all_acknowledged());
  EXPECT_EQ(log_->waiting(), spool_content{});
}

TEST_F(spool, is_a_store_that_verifies) {
  open();
  append({a.lines(line_of(large)), a.lines(line_of(large)), a.lines(line_of(large)), b.lines("1\n")});
  log_.reset();
  auto verified = verify_store(files, folder, [](const damage& x) { ADD_FAILURE() << to_string(x); });
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->problems, 0u);
  EXPECT_EQ(verified->records, 4u);
}

} // namespace
} // namespace sluice

#include <gtest/gtest.h>

#include "actors/batcher/batch_builder.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice::test {

namespace {

class batcher_batch_builder : public testing::Test {
protected:
  chunk make(std::string_view text) {
    auto lines = std::make_shared<lines_payload>();
    lines->append(text);
    auto begin = std::exchange(position_, position_ + text.size());
    return {make_stream(1), lines, count_lines(text), begin, position_, at_seconds(++seconds_)};
  }

  gap drop(std::uint32_t records, std::uint64_t bytes, std::string reason = "drop_newest") {
    auto begin = std::exchange(position_, position_ + bytes);
    auto time = at_seconds(++seconds_);
    return {make_stream(1), std::move(reason), records, begin, position_, time, time};
  }

  batch finish() { return builder_.finish(*pool_); }

  static std::string text_of(const batch& x) {
    auto reader = record_reader::open(x.payload->view(), x.header.record_count).value();
    return std::string{reader.bodies()};
  }

  std::uint64_t position_ = 0;
  std::int64_t seconds_ = 0;
  std::shared_ptr<buffer_pool> pool_ = std::make_shared<buffer_pool>();
  batch_builder builder_{make_stream(1), {}, {.max_bytes = 10, .max_events = 3}};
};

} // namespace

TEST_F(batcher_batch_builder, numbers_batches_and_joins_their_positions) {
  builder_.add(make("ab\n"));
  builder_.add(make("c\n"));
  auto first = finish();
  EXPECT_EQ(text_of(first), "ab\nc\n");
  EXPECT_EQ(first.header.epoch, 1);
  EXPECT_EQ(first.header.sequence, 1);
  EXPECT_EQ(first.header.record_count, 2);
  EXPECT_EQ(first.header.position_begin, 0);
  EXPECT_EQ(first.header.position_end, 5);
  EXPECT_EQ(first.header.decoded_bytes, first.payload->size());
  EXPECT_TRUE(builder_.empty());
  builder_.add(make("d\n"));
  auto second = finish();
  EXPECT_EQ(second.header.sequence, 2);
  EXPECT_EQ(second.header.position_begin, 5);
  EXPECT_EQ(second.header.position_end, 7);
  EXPECT_EQ(text_of(second), "d\n");
}

TEST_F(batcher_batch_builder, keeps_to_its_limits) {
  EXPECT_TRUE(builder_.fits(make("much longer than a batch may be\n"))) << "alone, anything fits";
  builder_.add(make("12345\n"));
  EXPECT_TRUE(builder_.fits(make("789\n")));
  EXPECT_FALSE(builder_.fits(make("7890\n"))) << "bytes";
  EXPECT_FALSE(builder_.fits(make("\n\n\n"))) << "events";
  EXPECT_FALSE(builder_.full());
  builder_.add(make("\n\n"));
  EXPECT_TRUE(builder_.full()) << "events";
}

TEST_F(batcher_batch_builder, is_full_at_its_bytes_and_behind_an_unterminated_record) {
  builder_.add(make("123456789\n"));
  EXPECT_TRUE(builder_.full());
  finish();
  builder_.add(make("open"));
  EXPECT_TRUE(builder_.full());
}

TEST_F(batcher_batch_builder, keeps_records_of_several_lines) {
  using sizes = std::vector<std::uint32_t>;
  auto join = [this](std::string_view text, sizes record_bytes) {
    auto made = make(text);
    made.record_count = static_cast<std::uint32_t>(record_bytes.size());
    made.record_bytes = std::make_shared<sizes>(std::move(record_bytes));
    return made;
  };
  builder_.add(join("a\n b\n", {5}));
  EXPECT_FALSE(builder_.fits(make("c\n"))) << "lines do not go with them";
  auto next = join("c\nd", {2, 1});
  EXPECT_TRUE(builder_.fits(next));
  builder_.add(next);
  EXPECT_EQ(builder_.records(), 3u);
  auto made = finish();
  auto reader = record_reader::open(made.payload->view(), made.header.record_count).value();
  std::string raw;
  for (auto* record = reader.next(); record; record = reader.next()) {
    EXPECT_EQ(record->time, made.header.first_timestamp);
    raw += std::string{record->body} + (record->terminated ? "|\n" : "|");
  }
  EXPECT_EQ(raw, "a\n b|\nc|\nd|");
  builder_.add(make("e\n"));
  EXPECT_EQ(text_of(finish()), "e\n") << "and not the other way round";
}

TEST_F(batcher_batch_builder, restarts_where_it_is_told_and_says_what_it_discards) {
  EXPECT_EQ(builder_.restart({}), 0);
  builder_.add(make("a\nb\n"));
  EXPECT_EQ(builder_.records(), 2);
  EXPECT_EQ(builder_.bytes(), 4);
  EXPECT_EQ(builder_.restart({3, 7, 100}), 2);
  EXPECT_TRUE(builder_.empty());
  EXPECT_EQ(builder_.bytes(), 0);
  position_ = 100;
  builder_.add(make("c\n"));
  auto made = finish();
  EXPECT_EQ(made.header.epoch, 3);
  EXPECT_EQ(made.header.sequence, 8);
  EXPECT_EQ(made.header.position_begin, 100);
  EXPECT_EQ(text_of(made), "c\n");
}

TEST_F(batcher_batch_builder, joins_gaps_of_one_reason) {
  builder_.add(drop(1, 10));
  EXPECT_FALSE(builder_.empty());
  EXPECT_FALSE(builder_.full());
  EXPECT_EQ(builder_.records(), 0) << "a gap holds nothing";
  EXPECT_EQ(builder_.bytes(), 0);
  EXPECT_TRUE(builder_.fits(drop(0xfffffffe, 0)));
  EXPECT_FALSE(builder_.fits(drop(0xffffffff, 0))) << "cannot be counted any more";
  EXPECT_FALSE(builder_.fits(drop(0, 0))) << "known and unknown";
  EXPECT_FALSE(builder_.fits(drop(1, 0, "drop_oldest")));
  EXPECT_FALSE(builder_.fits(make("a\n")));
  builder_.add(drop(2, 5));
  auto made = finish();
  EXPECT_EQ(made.header.kind, frame_kind::gap);
  EXPECT_EQ(made.payload->text(), "drop_newest");
  EXPECT_EQ(made.header.record_count, 3);
  EXPECT_EQ(made.header.sequence, 1);
  EXPECT_EQ(made.header.position_begin, 0);
  EXPECT_EQ(made.header.position_end, 17);
  EXPECT_EQ(made.header.first_timestamp, at_seconds(1));
  EXPECT_EQ(made.header.last_timestamp, at_seconds(7));
  EXPECT_TRUE(frame::encode(made.header, made.payload->view()));
}

TEST_F(batcher_batch_builder, a_gap_that_ends_before_it_begins_is_one_still) {
  builder_.add(gap{make_stream(1), "truncated", 1, 0, 1, at_seconds(9), at_seconds(3)});
  auto made = finish();
  EXPECT_EQ(made.header.first_timestamp, at_seconds(3));
  EXPECT_EQ(made.header.last_timestamp, at_seconds(9));
}

TEST_F(batcher_batch_builder, numbers_gaps_and_batches_alike) {
  builder_.add(make("a\n"));
  EXPECT_FALSE(builder_.fits(drop(0, 0)));
  finish();
  builder_.add(drop(0, 0));
  EXPECT_TRUE(builder_.fits(drop(0, 0)));
  auto made = finish();
  EXPECT_EQ(made.header.sequence, 2);
  EXPECT_EQ(made.header.record_count, 0);
  EXPECT_EQ(made.header.position_begin, 2);
  EXPECT_EQ(made.header.position_end, 2);
  builder_.add(make("b\n"));
  auto last = finish();
  EXPECT_EQ(last.header.kind, frame_kind::records);
  EXPECT_EQ(last.header.record_count, 1);
  EXPECT_EQ(last.header.sequence, 3);
  EXPECT_EQ(last.header.position_end, 4);
}

TEST_F(batcher_batch_builder, discards_no_records_with_a_gap) {
  builder_.add(drop(7, 10));
  EXPECT_EQ(builder_.restart({}), 0);
  EXPECT_TRUE(builder_.empty());
}

} // namespace sluice::test

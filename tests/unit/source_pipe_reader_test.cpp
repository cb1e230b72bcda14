#include <random>

#include <gtest/gtest.h>

#include "actors/source/pipe_reader.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/scripted_pipe.hpp"

namespace sluice::test {

namespace {

constexpr std::size_t no_bound = 1'000'000;

class overloaded_pipe : public testing::Test {
protected:
  /// Reads on as a source does that never goes back; what was dropped stands in brackets.
  std::string read() {
    auto next = reader_.read(position_, acked_, limits_, {}).value();
    at_end_ = next.at_end;
    if (next.dropped) {
      EXPECT_EQ(next.dropped->begin, position_);
      position_ = next.dropped->end;
      return '[' + std::to_string(next.dropped->records) + ' ' + std::string{next.dropped->reason} + ']';
    }
    EXPECT_EQ(next.records, count_lines(next.lines.text()));
    position_ += next.lines.text_bytes();
    return std::string{next.lines.text()};
  }

  std::string read_all() {
    std::string all;
    for (auto part = read(); !part.empty(); part = read())
      all += part;
    return all;
  }

  pipe_reader::dropped drop(std::optional<severity> least = {}, std::size_t max_kept_bytes = no_bound) {
    return reader_.drop(least, max_kept_bytes, limits_, at_seconds(++now_)).value();
  }

  chunk_limits limits_{.max_record_bytes = 1'000};
  std::shared_ptr<scripted_pipe> pipe_ = std::make_shared<scripted_pipe>();
  pipe_reader reader_{"/pipe", {}, pipe_};
  std::uint64_t position_ = 0, acked_ = 0;
  std::int64_t now_ = 0;
  bool at_end_ = false;
};

} // namespace

TEST_F(overloaded_pipe, drops_whole_lines_and_keeps_the_beginning_of_the_next) {
  pipe_->write("one\ntwo\nth");
  EXPECT_EQ(read(), "one\ntwo\n");
  pipe_->write("ree\nfour\nfi");
  auto gone = drop();
  EXPECT_EQ(gone.records, 2);
  EXPECT_EQ(gone.bytes, 11);
  EXPECT_FALSE(gone.is_all);
  pipe_->write("ve\n");
  EXPECT_EQ(drop().records, 1);
  EXPECT_EQ(drop().records, 0);
  pipe_->write("six\n");
  EXPECT_EQ(read_all(), "[3 drop_newest]six\n");
}

TEST_F(overloaded_pipe, drops_nothing_that_has_come_before) {
  pipe_->write("one\ntwo\n");
  EXPECT_EQ(read(), "one\ntwo\n");
  position_ = 4; // its source has failed and begins again
  pipe_->write("three\n");
  EXPECT_EQ(drop().records, 1);
  EXPECT_EQ(read_all(), "two\n[1 drop_newest]");
}

TEST_F(overloaded_pipe, keeps_what_is_severe_and_bounds_it) {
  pipe_->write("error a\ninfo\nwarn b\n");
  EXPECT_EQ(drop(severity::warning).records, 1);
  pipe_->write("debug\nerror c\n");
  EXPECT_EQ(drop(severity::warning, 16).records, 1);
  pipe_->write("info\nerror d\n");
  EXPECT_TRUE(drop(severity::warning, 16).is_all) << "23 bytes wait";
  EXPECT_EQ(pipe_->unread_bytes(), 13) << "the writer is made to wait";
  EXPECT_EQ(read(), "error a\nwarn b\nerror c\n");
  EXPECT_FALSE(drop(severity::warning, 16).is_all);
  EXPECT_EQ(read_all(), "error d\n[3 shed_by_severity]");
}

TEST_F(overloaded_pipe, tells_when_the_first_and_the_last_went) {
  pipe_->write("one\n");
  drop();
  pipe_->write("two\n");
  drop();
  auto gap = reader_.read(0, 0, limits_, {}).value().dropped;
  ASSERT_TRUE(gap);
  EXPECT_EQ(gap->first_time, at_seconds(1));
  EXPECT_EQ(gap->last_time, at_seconds(2));
}

TEST_F(overloaded_pipe, ends_with_what_was_dropped) {
  pipe_->write("one\n");
  EXPECT_EQ(read(), "one\n");
  pipe_->write("two\nopen");
  pipe_->end();
  EXPECT_EQ(drop().records, 2) << "an open last line is one";
  EXPECT_TRUE(drop().is_all);
  EXPECT_EQ(read(), "[2 drop_newest]");
  EXPECT_TRUE(at_end_);
}

TEST_F(overloaded_pipe, gives_the_rest_with_what_was_dropped) {
  pipe_->write("one\ntwo\n");
  drop();
  pipe_->write("three\nopen");
  EXPECT_EQ(read(), "[2 drop_newest]");
  EXPECT_EQ(read(), "three\n");
  auto rest = reader_.rest(position_, limits_, {}).value();
  EXPECT_EQ(rest.lines.text(), "open");
  position_ = 0;
  EXPECT_TRUE(reader_.rest(0, limits_, {})->dropped);
}

TEST_F(overloaded_pipe, a_line_that_is_too_long_is_dropped_in_pieces) {
  pipe_->write(std::string(2'500, 'x'));
  EXPECT_EQ(drop().bytes, 2'500);
  pipe_->write("end\nnext\n");
  EXPECT_EQ(read_all(), "[1 drop_newest]end\nnext\n");
}

TEST_F(overloaded_pipe, loses_nothing_when_the_pipe_fails) {
  pipe_->write("one\nop");
  EXPECT_EQ(read(), "one\n");
  pipe_->fail_with(errc::io_error);
  EXPECT_FALSE(reader_.drop({}, no_bound, limits_, at_seconds(1)));
  pipe_->fail_with(errc::none);
  pipe_->write("en\n");
  EXPECT_EQ(read_all(), "open\n");
}

// Whatever comes, is dropped and read again: the lines are all there, in order, as they were or counted.
TEST_F(overloaded_pipe, accounts_for_every_line) {
  constexpr std::uint64_t seed = 20261123;
  std::mt19937_64 random{seed};
  std::string written;
  std::string seen; // by position; '#' for what was dropped
  std::uint64_t dropped = 0;
  auto take = [&] {
    auto begin = position_;
    auto part = read();
    seen.resize(begin);
    seen += part.starts_with('[') ? std::string(position_ - begin, '#') : part;
    return position_ > begin;
  };
  for (int i = 0; i < 3'000; ++i) {
    auto line = std::to_string(i) + std::string(random() % 20, '.') + '\n';
    written += line;
    auto cut = random() % (line.size() + 1);
    pipe_->write(line.substr(0, cut));
    if (random() % 3 == 0)
      dropped += drop().records;
    pipe_->write(line.substr(cut));
    if (random() % 3 == 0)
      take();
    if (random() % 5 == 0) {
      acked_ = seen.rfind('\n', acked_ + random() % (position_ - acked_ + 1)) + 1;
      acked_ = std::min(acked_, position_);
    }
    if (random() % 10 == 0 && reader_.check(acked_))
      position_ = acked_;
  }
  pipe_->end();
  while (take())
    ;
  ASSERT_EQ(seen.size(), written.size()) << "seed " << seed;
  std::uint64_t missing = 0;
  for (std::size_t at = 0; at < written.size(); ++at) {
    ASSERT_TRUE(seen[at] == written[at] || seen[at] == '#') << "seed " << seed << ", byte " << at;
    missing += seen[at] == '#' && written[at] == '\n';
  }
  EXPECT_EQ(missing, dropped);
  EXPECT_GT(dropped, 100);
}

} // namespace sluice::test

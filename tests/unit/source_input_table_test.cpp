#include <gtest/gtest.h>

#include "actors/source/input_table.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;
using turn = input_table::turn;

constexpr auto rotate_wait = 5s;

class source_inputs : public testing::Test {
protected:
  /// Every file has a name of one letter.
  static stream_id id(char name) {
    stream_id made;
    made.source[0] = static_cast<std::uint8_t>(name);
    return made;
  }

  static found_file found(char name, const std::string& path, bool is_away) {
    found_file made;
    made.path = path;
    made.location = path;
    made.key = id(name).source;
    made.which.inode = static_cast<std::uint64_t>(name);
    made.is_away = is_away;
    return made;
  }

  source_input& add(char name, const std::string& path = "/log", bool is_away = false) {
    return *table_.add(id(name), found(name, path, is_away), now_);
  }

  source_input& given(char name) {
    auto file = found(name, std::string(1, name), false);
    file.is_followed = false;
    return *table_.add(id(name), file, now_);
  }

  void leave(source_input& x) {
    table_.change(x, {.key = {}, .size = x.position, .is_away = true, .location = {}}, now_);
  }

  /// Lets it be welcomed at its beginning, as the source does.
  void start(source_input& x) {
    table_.welcome(x, {});
    EXPECT_EQ(table_.take_readable(), &x);
    x.resume.reset();
    table_.queue(x);
  }

  /// Reads what is queued: so many bytes, and then its end.
  void read(source_input& x, std::uint64_t bytes, std::size_t unfinished = 0) {
    EXPECT_EQ(table_.take_readable(), &x);
    table_.move(x, x.position + bytes, x.acked);
    x.unfinished_bytes = unfinished;
    table_.reach_end(x, now_);
  }

  void acknowledge(source_input& x) { table_.acknowledge(x, x.position); }

  source_input* due() { return table_.take_announceable(); }

  input_table::time_point now_{};
  input_table table_{{.window_bytes = 100,
    .max_announced = 2,
    .max_open_files = 2,
    .rotate_wait = rotate_wait,
    .multiline_timeout = {}}};
};

} // namespace

TEST_F(source_inputs, announces_no_more_than_may_wait) {
  given('a');
  given('b');
  given('c');
  EXPECT_EQ(due(), table_.find(id('a')));
  EXPECT_EQ(due(), table_.find(id('b')));
  EXPECT_EQ(due(), nullptr);
  table_.welcome(*table_.find(id('b')), {});
  EXPECT_EQ(due(), table_.find(id('c')));
}

TEST_F(source_inputs, takes_a_file_once) {
  given('a');
  auto again = found('a', "other path", false);
  again.is_followed = false;
  EXPECT_EQ(table_.add(id('a'), again, now_), nullptr);
}

TEST_F(source_inputs, reads_in_turn_while_there_is_credit) {
  auto& a = given('a');
  auto& b = given('b');
  due();
  due();
  start(a);
  start(b);
  EXPECT_EQ(table_.take_readable(), &a);
  table_.queue(a, turn::last);
  EXPECT_EQ(table_.take_readable(), &b);
  table_.move(b, 100, 0);
  EXPECT_EQ(table_.take_readable(), nullptr);
  table_.welcome(b, {1, 0, 0});
  EXPECT_EQ(table_.take_readable(), &b) << "what starts over needs no credit";
  b.resume.reset();
  table_.move(b, 0, 0);
  EXPECT_EQ(table_.take_readable(), &a);
}

// The credit was held by the stream that was to start over, which stood behind one that waited for it.
TEST_F(source_inputs, what_is_to_start_over_goes_before_what_is_read_on) {
  auto& a = given('a');
  auto& b = given('b');
  due();
  due();
  start(a);
  start(b);
  EXPECT_EQ(table_.take_readable(), &a);
  table_.move(b, 100, 0);
  table_.welcome(b, {1, 0, 0});
  table_.queue(a, turn::next);
  EXPECT_EQ(table_.take_readable(), &b);
  EXPECT_EQ(table_.take_readable(), nullptr);
}

TEST_F(source_inputs, what_was_written_later_waits_until_the_rotated_file_is_stored) {
  auto& a = add('a');
  EXPECT_EQ(due(), &a);
  start(a);
  read(a, 10);
  acknowledge(a);
  leave(a);
  auto& b = add('b');
  EXPECT_EQ(due(), nullptr) << "something may have been written to it before the new one began";
  read(a, 5);
  EXPECT_EQ(due(), nullptr) << "not acknowledged";
  acknowledge(a);
  EXPECT_EQ(due(), &b);
}

TEST_F(source_inputs, what_was_written_later_waits_for_the_end_of_a_line_as_long_as_late_lines_may_come) {
  auto& a = add('a');
  due();
  start(a);
  leave(a);
  auto& b = add('b');
  read(a, 10, 3);
  acknowledge(a);
  EXPECT_EQ(due(), nullptr);
  EXPECT_EQ(table_.next_late(), now_ + rotate_wait);
  table_.look_at_late(now_ + rotate_wait);
  EXPECT_TRUE(a.is_late);
  EXPECT_EQ(table_.next_late(), std::nullopt);
  read(a, 3);
  table_.end(a);
  EXPECT_EQ(due(), nullptr);
  acknowledge(a);
  EXPECT_EQ(due(), &b);
}

TEST_F(source_inputs, looks_again_at_an_unfinished_record_once_nothing_has_come_for_a_while) {
  table_ = input_table{{.window_bytes = 100,
    .max_announced = 2,
    .max_open_files = 2,
    .rotate_wait = rotate_wait,
    .multiline_timeout = 1s}};
  auto& a = add('a');
  due();
  start(a);
  read(a, 10, 3);
  EXPECT_EQ(table_.next_late(), now_ + 1s);
  now_ += 500ms;
  table_.queue(a);
  read(a, 0, 4);
  EXPECT_EQ(table_.next_late(), now_ + 1s) << "more has come";
  table_.look_at_late(now_ + 999ms);
  EXPECT_FALSE(a.is_quiet);
  EXPECT_EQ(table_.take_readable(), nullptr);
  table_.look_at_late(now_ + 1s);
  EXPECT_TRUE(a.is_quiet);
  read(a, 0, 4);
  EXPECT_EQ(table_.next_late(), std::nullopt) << "it has been looked at";
}

TEST_F(source_inputs, forgets_what_has_ended_and_is_stored) {
  auto& a = add('a');
  due();
  start(a);
  leave(a);
  read(a, 10);
  table_.end(a);
  EXPECT_EQ(table_.take_over(), nullptr);
  acknowledge(a);
  table_.welcome(a, {1, 0, 0});
  EXPECT_EQ(table_.take_over(), nullptr) << "its receiver wants it again";
  start(a);
  read(a, 10);
  table_.end(a);
  acknowledge(a);
  ASSERT_EQ(table_.take_over(), &a);
  table_.forget(a);
  EXPECT_EQ(table_.find(id('a')), nullptr);
  EXPECT_EQ(table_.take_over(), nullptr);
  EXPECT_TRUE(table_.is_idle());
}

TEST_F(source_inputs, does_not_forget_what_was_given) {
  auto& a = given('a');
  due();
  start(a);
  read(a, 10);
  table_.end(a);
  acknowledge(a);
  EXPECT_EQ(table_.take_over(), nullptr);
}

TEST_F(source_inputs, goes_on_with_the_copy_of_a_truncated_file) {
  auto& a = add('a');
  due();
  start(a);
  read(a, 10);
  auto copy = found('a', "/log", true);
  copy.location = "/log.1";
  copy.which.inode = 77;
  EXPECT_EQ(table_.add(id('a'), copy, now_), &a);
  EXPECT_EQ(a.location, "/log.1");
  EXPECT_EQ(a.which.inode, 77u);
  EXPECT_EQ(a.position, 10u);
  EXPECT_TRUE(a.away_since);
  EXPECT_EQ(table_.take_readable(), &a);
}

TEST_F(source_inputs, stops_all_but_what_is_to_start_over) {
  auto& a = add('a', "/a");
  auto& b = add('b', "/b");
  add('c', "/c");
  due();
  due();
  start(a);
  table_.welcome(b, {1, 1, 1});
  EXPECT_EQ(table_.stop(), std::vector<source_input*>{&a});
  table_.end(a);
  EXPECT_EQ(due(), nullptr);
  EXPECT_EQ(table_.take_readable(), &b);
  EXPECT_EQ(table_.take_readable(), nullptr);
}

TEST_F(source_inputs, closes_what_was_used_longest_ago_and_is_at_its_path) {
  struct empty_file : file {
    expected<std::size_t> read_at(std::span<std::byte>, std::uint64_t) override { return 0; }
    expected<std::optional<std::size_t>> read_some(std::span<std::byte>, std::chrono::milliseconds) override {
      return 0;
    }
    expected<void> write_at(std::span<const byte_view>, std::uint64_t) override { return {}; }
    expected<void> sync() override { return {}; }
    expected<void> truncate(std::uint64_t) override { return {}; }
    expected<file_info> info() override { return file_info{}; }
  };
  auto& a = add('a', "/a", true);
  auto& b = add('b', "/b");
  auto& c = add('c', "/c");
  for (auto* x : {&a, &b, &c})
    table_.use(*x, std::make_shared<empty_file>());
  EXPECT_TRUE(a.opened) << "it may go";
  EXPECT_FALSE(b.opened);
  EXPECT_TRUE(c.opened);
  EXPECT_EQ(table_.room_for_open_files(), 0u);
  table_.close(c);
  EXPECT_EQ(table_.room_for_open_files(), 1u);
}

} // namespace sluice::test

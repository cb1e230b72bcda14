#include <random>

#include <gtest/gtest.h>

#include "actors/source/pipe_content.hpp"
#include "messages/frame.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice {

namespace {

using test::at_seconds;

void drop(
  pipe_content& from, std::string_view kept, std::uint32_t records, std::uint64_t bytes, std::int64_t time = 1) {
  from.drop(kept, gap_reason::drop_newest, records, bytes, at_seconds(time));
}

/// All that can be read from `position` on, dropped records in brackets.
std::string read(const pipe_content& from, std::uint64_t position) {
  std::string all;
  while (position < from.end()) {
    if (auto* x = from.dropped_at(position)) {
      all += '[' + std::to_string(x->records) + ']';
      position = x->end;
    } else {
      auto text = from.text_at(position);
      all += text;
      position += text.size();
    }
  }
  return all;
}

} // namespace

TEST(pipe_content, gives_text_again_until_it_is_forgotten) {
  pipe_content content;
  content.append("one\ntwo\n");
  EXPECT_EQ(content.end(), 8);
  EXPECT_EQ(content.text_at(4), "two\n");
  EXPECT_EQ(content.text_at(0), "one\ntwo\n");
  content.forget(4);
  EXPECT_EQ(content.begin(), 4);
  EXPECT_EQ(content.text_bytes(), 4);
  EXPECT_EQ(content.text_at(4), "two\n");
  content.append("three\n");
  content.forget(14);
  EXPECT_EQ(content.text_bytes(), 0);
  EXPECT_EQ(content.end(), 14);
  content.append("x");
  EXPECT_EQ(content.text_at(14), "x");
}

TEST(pipe_content, what_was_dropped_keeps_its_place) {
  pipe_content content;
  content.append("one\n");
  drop(content, "", 3, 30);
  content.append("two\n");
  EXPECT_EQ(content.end(), 38);
  EXPECT_EQ(content.text_at(0), "one\n");
  EXPECT_EQ(content.text_at(4), "");
  ASSERT_NE(content.dropped_at(4), nullptr);
  EXPECT_EQ(content.dropped_at(4)->end, 34);
  EXPECT_EQ(content.dropped_at(0), nullptr);
  EXPECT_EQ(content.text_at(34), "two\n");
  content.forget(4);
  EXPECT_EQ(read(content, 4), "[3]two\n");
  content.forget(34);
  EXPECT_EQ(read(content, 34), "two\n");
  EXPECT_EQ(content.end(), 38);
}

TEST(pipe_content, a_long_overload_leaves_one_gap) {
  pipe_content content;
  content.append("one\n");
  content.give(4);
  drop(content, "", 1, 10, 1);
  drop(content, "kept\n", 2, 20, 2);
  drop(content, "kept too\n", 0, 0, 3);
  EXPECT_EQ(read(content, 0), "one\nkept\nkept too\n[3]");
  auto* gap = content.dropped_at(18);
  ASSERT_NE(gap, nullptr);
  EXPECT_EQ(gap->end - gap->begin, 30);
  EXPECT_EQ(gap->first_time, at_seconds(1));
  EXPECT_EQ(gap->last_time, at_seconds(3));
  EXPECT_EQ(content.end(), 48);
}

TEST(pipe_content, what_was_given_out_does_not_change) {
  pipe_content content;
  drop(content, "one\n", 1, 10);
  content.give(4);
  drop(content, "two\n", 1, 10);
  EXPECT_EQ(read(content, 0), "one\ntwo\n[2]") << "the text was given out, but not the gap";
  content.give(content.end());
  drop(content, "", 1, 10);
  EXPECT_EQ(read(content, 0), "one\ntwo\n[2][1]");
  content.append("three\n");
  drop(content, "", 1, 10);
  EXPECT_EQ(read(content, 0), "one\ntwo\n[2][1]three\n[1]");
  content.drop("", gap_reason::shed_by_severity, 5, 1, at_seconds(1));
  EXPECT_EQ(read(content, 0), "one\ntwo\n[2][1]three\n[1][5]") << "another reason";
}

TEST(pipe_content, gaps_that_cannot_be_counted_as_one_are_two) {
  pipe_content content;
  drop(content, "", 0xfffffff0, 10);
  drop(content, "", 0xf, 10);
  drop(content, "", 1, 10);
  EXPECT_EQ(read(content, 0), "[4294967295][1]");
}

TEST(pipe_content, takes_back_an_open_line_unless_it_was_given_out) {
  pipe_content content;
  content.append("one\ntw");
  EXPECT_EQ(content.take_open_line(), "tw");
  EXPECT_EQ(content.take_open_line(), "");
  EXPECT_EQ(content.end(), 4);
  content.append("long lo");
  content.give(9); // a piece of a line that is longer than a record may be
  EXPECT_EQ(content.take_open_line(), "lo");
  drop(content, "", 1, 10);
  content.append("open");
  EXPECT_EQ(content.take_open_line(), "open");
  EXPECT_EQ(read(content, 0), "one\nlong [1]");
}

TEST(pipe_content, knows_what_is_not_given_out) {
  pipe_content content;
  content.append("one\ntwo\n");
  EXPECT_EQ(content.unread_bytes(), 8);
  content.give(4);
  EXPECT_EQ(content.unread_bytes(), 4);
  drop(content, "three\n", 1, 10);
  EXPECT_EQ(content.unread_bytes(), 10);
  content.give(24);
  EXPECT_EQ(content.unread_bytes(), 0);
}

// Against a model that keeps everything: the same text in the same order, however it is cut, dropped and forgotten.
TEST(pipe_content, is_what_a_simple_list_is) {
  constexpr std::uint64_t seed = 20261123;
  std::mt19937_64 random{seed};
  pipe_content content;
  std::string all; // every byte by its position; '#' for what was dropped
  std::uint64_t given = 0;
  for (int i = 0; i < 5'000; ++i) {
    auto line = std::string(random() % 9, static_cast<char>('a' + i % 26)) + "\n";
    auto bytes = random() % 20;
    switch (random() % 4) {
    case 0:
      content.append(line);
      all += line;
      break;
    case 1:
      given = std::max(given, content.end());
      content.give(given);
      content.append(line);
      content.drop("", gap_reason::drop_newest, 1, bytes + 1, at_seconds(i));
      all += line + std::string(bytes + 1, '#');
      break;
    case 2:
      given = content.begin() + random() % (content.end() - content.begin() + 1);
      content.give(given);
      break;
    default:
      auto to = content.begin() + random() % (content.end() - content.begin() + 1);
      if (to == content.begin() || to == all.size() || all[to] != '#' || all[to - 1] != '#')
        content.forget(to);
    }
    ASSERT_EQ(content.end(), all.size()) << "seed " << seed << ", step " << i;
    std::string seen;
    for (auto at = content.begin(); at < content.end();) {
      auto* gap = content.dropped_at(at);
      seen += gap ? std::string(gap->end - gap->begin, '#') : std::string{content.text_at(at)};
      at = content.begin() + seen.size();
    }
    ASSERT_EQ(seen, all.substr(content.begin())) << "seed " << seed << ", step " << i;
  }
}

} // namespace sluice

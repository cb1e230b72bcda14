#include <gmock/gmock.h>

#include "messages/syslog/syslog_framer.hpp"

namespace sluice {

namespace {

using namespace testing;

struct piece {
  std::string text;
  bool is_first = true, is_last = true;
  friend bool operator==(const piece&, const piece&) = default;
  friend std::ostream& operator<<(std::ostream& to, const piece& x) {
    return to << x.text << (x.is_first ? "" : " (continues)") << (x.is_last ? "" : " (goes on)");
  }
};

struct syslog_framer_test : Test {
  /// What comes out of `bytes`, whatever the sizes of the pieces in which they come.
  std::vector<piece> all_of(std::string_view bytes, std::size_t max_bytes = 100) {
    std::vector<piece> first;
    for (auto size = bytes.size(); size > 0; --size) {
      std::vector<piece> found;
      auto take = [&found](const framed_piece& x) { found.push_back({std::string{x.text}, x.is_first, x.is_last}); };
      framer = syslog_framer{max_bytes};
      for (std::size_t at = 0; at < bytes.size(); at += size)
        framer.feed(bytes.substr(at, size), take);
      framer.finish(take);
      if (size == bytes.size())
        first = found;
      EXPECT_EQ(found, first) << "in pieces of " << size;
    }
    return first;
  }

  syslog_framer framer{100};
};

} // namespace

TEST_F(syslog_framer_test, finds_lines) {
  EXPECT_EQ(all_of("<13>a\n<13>b\n\n<13>c"), (std::vector<piece>{{"<13>a"}, {"<13>b"}, {""}, {"<13>c"}}));
}

TEST_F(syslog_framer_test, counts_octets) {
  EXPECT_EQ(all_of("5 <13>a7 <13>b\nc11 <13>1 - - -"), (std::vector<piece>{{"<13>a"}, {"<13>b\nc"}, {"<13>1 - - -"}}));
  EXPECT_FALSE(framer.is_broken());
}

TEST_F(syslog_framer_test, takes_a_line_that_begins_with_a_digit_for_a_line) {
  for (std::string line : {"5 apples\n", "2026-11-24 <x\n", "12345678901 <13>a\n", "0 <13>a\n", "5\n", "12 \n"})
    EXPECT_EQ(all_of(line + "<13>b\n"), (std::vector<piece>{{line.substr(0, line.size() - 1)}, {"<13>b"}}));
}

TEST_F(syslog_framer_test, stays_with_lines) {
  EXPECT_EQ(all_of("<13>a\n5 <13>b\n"), (std::vector<piece>{{"<13>a"}, {"5 <13>b"}}));
}

TEST_F(syslog_framer_test, goes_on_by_lines_where_octet_counting_breaks) {
  EXPECT_EQ(all_of("5 <13>a<13>b\n7 <13>c\n"), (std::vector<piece>{{"<13>a"}, {"<13>b"}, {"7 <13>c"}}));
  EXPECT_TRUE(framer.is_broken());
  EXPECT_EQ(all_of("5 <13>a12x\nb"), (std::vector<piece>{{"<13>a"}, {"12x"}, {"b"}}));
  EXPECT_EQ(all_of("5 <13>a12345678901 \n"), (std::vector<piece>{{"<13>a"}, {"12345678901 "}}));
}

TEST_F(syslog_framer_test, cuts_what_is_too_long) {
  std::vector<piece> cut{{"<13>ab", true, false}, {"cdefgh", false, false}, {"ij", false, true}, {"<13>b"}};
  EXPECT_EQ(all_of("<13>abcdefghij\n<13>b\n", 6), cut);
  EXPECT_EQ(all_of("14 <13>abcdefghij5 <13>b", 6), cut);
  EXPECT_EQ(all_of("<13>ab\n6 <13>\n", 6), (std::vector<piece>{{"<13>ab"}, {"6 <13>"}}));
  EXPECT_EQ(all_of("6 <13>ab6 <13>cd", 6), (std::vector<piece>{{"<13>ab"}, {"<13>cd"}}));
}

TEST_F(syslog_framer_test, cuts_what_it_holds_and_then_holds_nothing) {
  for (std::string begin : {"<13>abcdefghijklmnopqrstuvwxyz", "33 <13>abcdefghijklmnopqrstuvwxyz"}) {
    std::vector<piece> found;
    auto take = [&found](const framed_piece& x) { found.push_back({std::string{x.text}, x.is_first, x.is_last}); };
    framer = syslog_framer{100};
    framer.feed(begin, take);
    EXPECT_GE(framer.held_bytes(), 30u);
    framer.cut(take);
    EXPECT_EQ(framer.held_bytes(), 0u);
    framer.feed("12\n", take);
    framer.finish(take);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0], (piece{"<13>abcdefghijklmnopqrstuvwxyz", true, false}));
    EXPECT_EQ(found[1].text.substr(0, 2), "12");
    EXPECT_FALSE(found[1].is_first);
    EXPECT_TRUE(found[1].is_last);
  }
}

TEST_F(syslog_framer_test, gives_what_has_no_end) {
  EXPECT_EQ(all_of("9999999999 <13>a"), (std::vector<piece>{{"<13>a"}}));
  EXPECT_EQ(all_of("5 <13>a12"), (std::vector<piece>{{"<13>a"}, {"12"}}));
  EXPECT_EQ(all_of("12"), (std::vector<piece>{{"12"}}));
  EXPECT_EQ(all_of("12 "), (std::vector<piece>{{"12 "}}));
}

TEST(syslog_trailer, is_one_line_end_or_nul) {
  EXPECT_EQ(without_trailer("a"), "a");
  EXPECT_EQ(without_trailer("a\n"), "a");
  EXPECT_EQ(without_trailer("a\r\n"), "a");
  EXPECT_EQ(without_trailer(std::string_view("a\0", 2)), "a");
  EXPECT_EQ(without_trailer("a\n\n"), "a\n");
}

} // namespace sluice

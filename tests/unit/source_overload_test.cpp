#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/source/overload.hpp"

namespace sluice {

namespace {

using testing::ElementsAre;

constexpr line_run kept(std::size_t bytes, std::uint32_t records) {
  return {bytes, records, true};
}

constexpr line_run dropped(std::size_t bytes, std::uint32_t records) {
  return {bytes, records, false};
}

lag_limit make(overload_policy policy) {
  return lag_limit{{.policy = policy, .max_lag_bytes = 100}};
}

/// Ten lines of ten bytes.
const std::string text = [] {
  std::string made;
  for (int i = 0; i < 10; ++i)
    made += "line " + std::to_string(i) + "...\n";
  return made;
}();

} // namespace

TEST(overload_policy, names_are_those_of_the_command_line) {
  EXPECT_EQ(parse_overload_policy("drop-oldest"), overload_policy::drop_oldest);
  EXPECT_EQ(parse_overload_policy("shed"), overload_policy::shed);
  EXPECT_EQ(parse_overload_policy("drop_oldest").error().code, errc::invalid_argument);
}

TEST(lag_limit, leaves_all_lines_alone_while_there_is_credit_or_little_ahead) {
  for (auto policy : {overload_policy::block, overload_policy::drop_newest, overload_policy::drop_oldest,
         overload_policy::shed, overload_policy::spill}) {
    auto limit = make(policy);
    limit.look(0, 1000, false);
    limit.look(0, 100, true);
    EXPECT_FALSE(limit.drops_at(0));
    EXPECT_THAT(limit.divide(text, 0), ElementsAre(kept(100, 10)));
  }
}

TEST(lag_limit, blocks_whatever_is_ahead) {
  for (auto policy : {overload_policy::block, overload_policy::spill}) {
    auto limit = make(policy);
    limit.look(0, 1000, true);
    EXPECT_FALSE(limit.drops_at(0));
  }
}

TEST(lag_limit, drops_the_oldest_until_half_the_limit_is_ahead) {
  auto limit = make(overload_policy::drop_oldest);
  limit.look(20, 125, true);
  EXPECT_TRUE(limit.drops_at(20));
  EXPECT_TRUE(limit.drops_at(74));
  EXPECT_FALSE(limit.drops_at(75));
  EXPECT_THAT(limit.divide(text, 20), ElementsAre(dropped(60, 6), kept(40, 4))) << "whole lines";
  EXPECT_THAT(limit.divide(text.substr(30, 20), 50), ElementsAre(dropped(20, 2)));
  limit.look(80, 125, true);
  EXPECT_FALSE(limit.drops_at(80));
}

TEST(lag_limit, goes_on_with_what_became_the_oldest_meanwhile) {
  auto limit = make(overload_policy::drop_oldest);
  limit.look(0, 200, true);
  limit.look(50, 200, true);
  EXPECT_FALSE(limit.drops_at(150)) << "what will be left out anyway is not ahead";
  limit.look(50, 300, true);
  EXPECT_TRUE(limit.drops_at(249));
  EXPECT_FALSE(limit.drops_at(250));
}

TEST(lag_limit, drops_the_newest_once_the_reader_comes_there) {
  auto limit = make(overload_policy::drop_newest);
  limit.look(0, 150, true);
  EXPECT_FALSE(limit.drops_at(0)) << "the first hundred bytes are kept";
  EXPECT_TRUE(limit.drops_at(100));
  limit.look(0, 180, false);
  EXPECT_TRUE(limit.drops_at(179)) << "as long as more than half the limit is ahead";
  EXPECT_THAT(limit.divide(text, 95), ElementsAre(kept(10, 1), dropped(80, 8), kept(10, 1)));
  limit.look(75, 200, false);
  EXPECT_FALSE(limit.drops_at(190)) << "25 of the first 100 bytes and 20 new ones";
}

TEST(lag_limit, leaves_out_several_parts) {
  auto limit = make(overload_policy::drop_newest);
  limit.look(0, 150, true);
  limit.look(80, 180, true); // 20 and 30 that are new
  limit.look(90, 260, true); // 10 and 110
  EXPECT_TRUE(limit.drops_at(149));
  EXPECT_FALSE(limit.drops_at(150));
  EXPECT_FALSE(limit.drops_at(239));
  EXPECT_TRUE(limit.drops_at(240));
  EXPECT_TRUE(limit.drops_at(259));
  limit.reset();
  EXPECT_FALSE(limit.drops_at(259));
}

TEST(lag_limit, sheds_until_no_more_than_half_the_limit_is_ahead) {
  auto limit = make(overload_policy::shed);
  limit.look(0, 101, true);
  EXPECT_FALSE(limit.drops_at(0)) << "it might be an error";
  EXPECT_THAT(limit.divide("info\nerror\n", 0), ElementsAre(dropped(5, 1), kept(6, 1)));
  limit.look(40, 101, false);
  EXPECT_THAT(limit.divide("info\nerror\n", 40), ElementsAre(dropped(5, 1), kept(6, 1)));
  limit.look(51, 101, false);
  EXPECT_THAT(limit.divide("info\nerror\n", 51), ElementsAre(kept(11, 2)));
}

// Whatever the reader and the writer do: runs cover the text, and no more than the limit and what came since the last
// look is kept.
TEST(lag_limit, keeps_no_more_than_the_limit) {
  constexpr std::uint64_t seed = 20261123;
  const auto much = text + text + text + text;
  std::mt19937_64 random{seed};
  for (auto policy : {overload_policy::drop_newest, overload_policy::drop_oldest}) {
    auto limit = make(policy);
    std::uint64_t position = 0, size = 0;
    for (int i = 0; i < 10'000; ++i) {
      size += 10 * (random() % 30);
      limit.look(position, size, true);
      std::uint64_t ahead = 0;
      for (auto at = position; at < size; at += 10)
        ahead += limit.drops_at(at) ? 0 : 10;
      ASSERT_LE(ahead, 100 + 10) << "seed " << seed << ", step " << i;
      auto count = std::min<std::uint64_t>(random() % 35, (size - position) / 10);
      std::size_t bytes = 0;
      for (auto& run : limit.divide(std::string_view{much}.substr(0, count * 10), position)) {
        EXPECT_EQ(run.bytes, run.records * 10);
        bytes += run.bytes;
      }
      ASSERT_EQ(bytes, count * 10);
      position += bytes;
    }
  }
}

} // namespace sluice

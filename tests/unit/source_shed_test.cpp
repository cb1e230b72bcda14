#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/source/shed.hpp"

namespace sluice {

namespace {

using testing::ElementsAre;

constexpr line_run kept(std::size_t bytes, std::uint32_t records) {
  return {bytes, records, true};
}

constexpr line_run dropped(std::size_t bytes, std::uint32_t records) {
  return {bytes, records, false};
}

} // namespace

TEST(source_shed, the_first_level_word_counts) {
  EXPECT_EQ(severity_of("2026-11-23 12:00:00 ERROR no warning was given"), severity::error);
  EXPECT_EQ(severity_of("[warn] it is not critical"), severity::warning);
  EXPECT_EQ(severity_of(R"({"ts":1,"level":"fatal","msg":"x"})"), severity::critical);
  EXPECT_EQ(severity_of("kernel: Panic"), severity::emergency);
  EXPECT_EQ(severity_of("level=trace"), severity::debug);
  EXPECT_EQ(severity_of("<err>"), severity::error);
  EXPECT_EQ(severity_of("Notice"), severity::notice);
}

TEST(source_shed, parts_of_words_and_numbers_are_no_levels) {
  EXPECT_EQ(severity_of("errors terror error_count infos 0 3 err2"), severity::informational);
  EXPECT_EQ(severity_of(""), severity::informational);
  EXPECT_EQ(severity_of("nothing\xff\0here"), severity::informational);
}

TEST(source_shed, no_more_than_the_beginning_is_looked_at) {
  EXPECT_EQ(severity_of(std::string(122, '.') + " error"), severity::error);
  EXPECT_EQ(severity_of(std::string(128, '.') + " error"), severity::informational);
}

TEST(source_shed, divides_lines_into_runs) {
  severity_filter filter{severity::warning};
  EXPECT_THAT(filter.divide("error a\nwarn b\ninfo\n\nemerg\n"), ElementsAre(kept(15, 2), dropped(6, 2), kept(6, 1)));
  EXPECT_THAT(filter.divide(""), ElementsAre());
  EXPECT_THAT(severity_filter{severity::debug}.divide("a\nb"), ElementsAre(kept(3, 2)));
}

TEST(source_shed, the_rest_of_a_line_goes_where_its_beginning_went) {
  severity_filter filter{severity::warning};
  EXPECT_THAT(filter.divide("a\nerror open"), ElementsAre(dropped(2, 1), kept(10, 1)));
  EXPECT_THAT(filter.divide(" still open"), ElementsAre(kept(11, 1)));
  EXPECT_THAT(filter.divide(" end\ninfo open"), ElementsAre(kept(5, 1), dropped(9, 1)));
  EXPECT_THAT(filter.divide(" no error\nerror\n"), ElementsAre(dropped(10, 1), kept(6, 1)));
}

} // namespace sluice

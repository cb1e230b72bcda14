#include <gtest/gtest.h>

#include "actors/text/json_text.hpp"
#include "actors/text/time_text.hpp"
#include "messages/label_set.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice {
namespace {

using test::at_seconds;

const auto now = at_seconds(1'700'000'000);

TEST(time_text, accepts_what_users_write) {
  using std::chrono::nanoseconds;
  std::pair<std::string_view, timestamp> cases[] = {
    {"2023-11-14T22:13:20Z", now},
    {"2023-11-14t22:13:20z", now},
    {"2023-11-14 22:13:20Z", now},
    {"2023-11-14T23:43:20+01:30", now},
    {"2023-11-14T20:13:20-02:00", now},
    {"2023-11-14T22:13:20.5Z", now + nanoseconds{500'000'000}},
    {"2023-11-14T22:13:20.000000001Z", now + nanoseconds{1}},
    {"2023-11-14", at_seconds(1'699'920'000)},
    {"2024-02-29", at_seconds(1'709'164'800)},
    {"1969-12-31T23:59:59Z", at_seconds(-1)},
    {"1700000000", now},
    {"1700000000.25", now + nanoseconds{250'000'000}},
    {"0", at_seconds(0)},
    {"5m", at_seconds(1'699'999'700)},
    {"1h", at_seconds(1'699'996'400)},
    {"1d", at_seconds(1'699'913'600)},
    {"30s", at_seconds(1'699'999'970)},
    {"500ms", now - nanoseconds{500'000'000}},
  };
  for (auto& [text, expected] : cases)
    EXPECT_EQ(parse_time(text, now), expected) << text;
}

TEST(time_text, refuses_everything_else) {
  for (auto text : {"", "x", "-1", "2023-13-01x", "2023-02-30", "2023-11-14T", "2023-11-14T22:13:20", "5y",
         "2023-11-14T24:00:00Z", "2023-11-14T22:60:00Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20Zx", "1.", "5 m",
         "2023-11-14T22:13:20+1:00", "999999999999", "999999999999d", "9999-01-01", "1700000000.1234567890"})
    EXPECT_FALSE(parse_time(text, now)) << text;
}

TEST(time_text, formats_what_it_parses) {
  for (auto nanos :
    {0ll, -1ll, 1'700'000'000'123'456'789ll, -1'000'000'000'000'000'001ll, 9'000'000'000'000'000'000ll}) {
    timestamp time{std::chrono::nanoseconds{nanos}};
    EXPECT_EQ(parse_time(format_timestamp(time), now), time) << format_timestamp(time);
  }
}

std::string json(std::string_view text) {
  std::string result;
  append_json_string(result, text);
  return result;
}

TEST(json_text, escapes_and_replaces) {
  EXPECT_EQ(json(""), "\"\"");
  EXPECT_EQ(json("\"\\/\b\t\n\r\x7f"), "\"\\\"\\\\/\\u0008\\t\\n\\r\x7f\"");
  EXPECT_EQ(json(std::string_view{"\0", 1}), "\"\\u0000\"");
  EXPECT_EQ(json("ä€😀"), "\"ä€😀\"");
  EXPECT_EQ(json("\xC0\x80"), "\"��\"");
  EXPECT_EQ(json("\xE2\x82"), "\"�\"");
  EXPECT_EQ(json("\xED\xA0\x80"), "\"���\"");
  EXPECT_EQ(json("\xF4\x90\x80\x80"), "\"����\"");
  EXPECT_EQ(json("\xF0\x9F\x98"), "\"�\"");
}

TEST(json_text, is_utf8_for_every_pair_of_bytes) {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      char text[] = {static_cast<char>(first), static_cast<char>(second), 'x'};
      EXPECT_TRUE(is_utf8(json({text, 3}))) << first << " " << second;
    }
}

} // namespace
} // namespace sluice

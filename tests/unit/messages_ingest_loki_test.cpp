#include <gmock/gmock.h>

#include "loki_push.pb.h"
#include "messages/ingest/loki_labels.hpp"
#include "messages/ingest/loki_records.hpp"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace sluice::test;

/// A field of a protobuf that holds bytes.
std::string field(int number, const std::string& bytes) {
  std::string made{static_cast<char>(number << 3 | 2)};
  auto size = bytes.size();
  for (; size >= 0x80; size >>= 7)
    made += static_cast<char>(size | 0x80);
  return made + static_cast<char>(size) + bytes;
}

std::string entry(std::int64_t seconds, int nanos, const std::string& line, const taken_attributes& metadata = {}) {
  loki::Entry made;
  made.mutable_timestamp()->set_seconds(seconds);
  made.mutable_timestamp()->set_nanos(nanos);
  made.set_line(line);
  for (auto& [name, value] : metadata) {
    auto& pair = *made.add_structured_metadata();
    pair.set_name(name);
    pair.set_value(value);
  }
  return field(2, made.SerializeAsString());
}

struct ingest_loki_test : Test {
  expected<ingest_counts> json(std::string_view body) { return read_loki_json(body, received, taken.take()); }
  expected<ingest_counts> protobuf(std::string_view body) { return read_loki_protobuf(body, received, taken.take()); }

  void expect_two_entries() {
    EXPECT_THAT(taken.bodies(), ElementsAre("first \"line\"", "second"));
    EXPECT_EQ(taken.all[0].time, at("2023-11-14T22:13:20.000000001Z"));
    EXPECT_EQ(taken.all[0].level, severity::warning);
    EXPECT_EQ(taken.all[0].attributes, (taken_attributes{{"app", "x y"}, {"level", "warn"}, {"trace", "1"}}));
    EXPECT_EQ(taken.all[1].attributes, (taken_attributes{{"app", "x y"}, {"level", "warn"}}));
  }

  taken_records taken;
};

} // namespace

TEST_F(ingest_loki_test, reads_json) {
  auto counts = json(R"({"streams":[{"stream":{"app":"x y","level":"warn"},"values":[
    ["1700000000000000001","first \"line\"",{"trace":"1"}],["1700000000000000002","second"]]}]})");
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->records, 2);
  expect_two_entries();
}

TEST_F(ingest_loki_test, reads_protobuf) {
  auto stream = field(1, R"({app="x y", level="warn"})") +
                entry(1'700'000'000, 1, "first \"line\"", {{"trace", "1"}}) + entry(1'700'000'000, 2, "second");
  auto counts = protobuf(field(1, stream));
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->records, 2);
  expect_two_entries();
}

TEST_F(ingest_loki_test, reads_labels_that_stand_behind_the_entries) {
  ASSERT_TRUE(protobuf(field(1, entry(1, 0, "line") + field(1, R"({a="b"})"))));
  EXPECT_EQ(taken.all[0].attributes, (taken_attributes{{"a", "b"}}));
}

TEST_F(ingest_loki_test, no_stream_has_the_labels_of_the_one_before) {
  ASSERT_TRUE(protobuf(field(1, field(1, R"({a="b"})") + entry(1, 0, "x")) + field(1, entry(1, 0, "y"))));
  EXPECT_THAT(taken.all[1].attributes, IsEmpty());
}

TEST_F(ingest_loki_test, times_that_do_not_fit_are_when_it_came) {
  ASSERT_TRUE(protobuf(field(1, entry(INT64_MAX, 0, "a") + entry(1, 1'000'000'000, "b") + field(2, field(2, "c")))));
  for (auto& each : taken.all)
    EXPECT_EQ(each.time, received);
  ASSERT_TRUE(json(R"({"streams":[{"stream":{},"values":[["99999999999999999999","d"]]}]})"));
  EXPECT_EQ(taken.all[3].time, received);
}

TEST_F(ingest_loki_test, takes_nothing_of_json_that_is_no_push) {
  auto with = [](std::string_view entry) {
    return R"({"streams":[{"stream":{"a":"b"},"values":[["1","good"],)" + std::string{entry} + "]}]}";
  };
  for (auto& body : {with(R"(["1"])"), with(R"(["x","line"])"), with(R"(["","line"])"), with(R"([1.5,"line"])"),
         with(R"(["1",2])"), with(R"(["1","a",[]])"), with(R"(["1","a",{"b":1}])"), with("7"), with(R"(["1","a",{"":"b"}])"),
         std::string{"{}"}, std::string{"[]"}, std::string{"nope"}, std::string{R"({"streams":[7]})"},
         std::string{R"({"streams":[{"stream":{"a":1},"values":[]}]})"}}) {
    ASSERT_FALSE(json(body)) << body;
    EXPECT_THAT(taken.all, IsEmpty()) << body;
  }
}

TEST_F(ingest_loki_test, takes_nothing_of_a_protobuf_that_is_no_push) {
  auto good = field(1, field(1, R"({a="b"})") + entry(1, 0, "good"));
  for (auto& body : {good + "\x0a\x7f", good + "\x0a", good + "nope", good + field(1, field(1, "no labels")),
         good + field(1, field(2, "\x0a\xff")), good + field(1, entry(1, 0, "x", {{"", "empty key"}}))}) {
    ASSERT_FALSE(protobuf(body));
    EXPECT_THAT(taken.all, IsEmpty());
  }
}

TEST_F(ingest_loki_test, skips_fields_that_it_does_not_know) {
  auto stream = field(1, "{}") + entry(1, 0, "line") + std::string{"\x18\x05", 2} + field(9, "what");
  EXPECT_EQ(protobuf(field(1, stream) + field(3, "format"))->records, 1);
}

TEST_F(ingest_loki_test, refuses_more_labels_than_a_record_can_have) {
  std::string labels;
  for (int i = 0; i < 65; ++i)
    labels += (i ? "," : "") + ("k" + std::to_string(i)) + "=\"v\"";
  EXPECT_EQ(protobuf(field(1, field(1, "{" + labels + "}") + entry(1, 0, "x"))).error().code, errc::too_large);
}

// Objects were made of 2 million of them before they were counted.
TEST_F(ingest_loki_test, refuses_more_metadata_than_a_record_can_have_before_it_is_parsed) {
  auto with = [](int metadata) {
    std::string made;
    for (int i = 0; i < metadata; ++i)
      made += field(3, field(1, "k"));
    return field(1, field(1, "{}") + field(2, made + field(1, "no timestamp")));
  };
  EXPECT_EQ(protobuf(with(64)).error().code, errc::malformed);
  EXPECT_EQ(protobuf(with(65)).error().code, errc::too_large);
}

TEST(ingest_loki_labels, reads_what_go_quotes) {
  EXPECT_EQ(parse_loki_labels(R"({a="\"\\\n\t", b="\x41\u00fc\u20ac\U0001f600"})").value(),
    (loki_labels{{"a", "\"\\\n\t"}, {"b", "A\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"}}));
  EXPECT_EQ(parse_loki_labels("{}").value(), loki_labels{});
}

TEST(ingest_loki_labels, refuses_anything_else) {
  for (auto text : {"", "{", "}", "{a}", "{a=}", "{a=b}", "{a=\"b}", "{a=\"b\"", "{=\"b\"}", "{a=\"b\" c=\"d\"}",
         "{a=\"\\q\"}", "{a=\"\\x4\"}", "{a=\"\\U00110000\"}", "{a=\"b\"}x", "{a=\"b\",}", "{a=\"\\"})
    EXPECT_FALSE(parse_loki_labels(text)) << text;
}

} // namespace sluice

#include <gmock/gmock.h>

#include "messages/ingest/text_records.hpp"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace sluice::test;

struct ingest_text_test : Test {
  ingest_counts ndjson(std::string_view body, json_form form = json_form::as_it_came) {
    return read_ndjson(body, received, form, taken.take());
  }

  expected<ingest_counts> json(std::string_view body, json_form form = json_form::as_it_came) {
    return read_json(body, received, form, taken.take());
  }

  /// The one record of `text`, taken apart.
  taken_record fields_of(std::string_view text) {
    taken.all.clear();
    EXPECT_EQ(ndjson(text, json_form::fields).records, 1);
    return taken.all.at(0);
  }

  taken_records taken;
};

} // namespace

TEST_F(ingest_text_test, text_has_a_record_a_line) {
  auto counts = read_text("one\r\n\n three", received, taken.take());
  EXPECT_EQ(counts.records, 3);
  EXPECT_THAT(taken.bodies(), ElementsAre("one\r", "", " three"));
  EXPECT_EQ(taken.all[0].time, received);
}

TEST_F(ingest_text_test, no_text_has_no_records) {
  EXPECT_EQ(read_text("", received, taken.take()).records, 0);
}

TEST_F(ingest_text_test, ndjson_keeps_each_line_as_it_came) {
  auto counts = ndjson("{\"a\" :1}\r\n \n[1,  2]\nnot json\n\"text\"");
  EXPECT_EQ(counts.records, 4);
  EXPECT_EQ(counts.unparsed, 1);
  EXPECT_THAT(taken.bodies(), ElementsAre("{\"a\" :1}", "[1,  2]", "not json", "\"text\""));
}

TEST_F(ingest_text_test, json_gives_elements_and_values_as_they_came) {
  EXPECT_EQ(json(" [ {\"a\": \"]\\\"}\"} , 2 ,[3, 4]] {\"b\":[]}\n\"x\" 5 [] null")->records, 7);
  EXPECT_THAT(taken.bodies(),
    ElementsAre("{\"a\": \"]\\\"}\"}", "2", "[3, 4]", "{\"b\":[]}", "\"x\"", "5", "null"));
}

TEST_F(ingest_text_test, json_that_is_none_gives_no_record) {
  for (auto body : {"[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{\"a\":1", "{\"a\":1}]", "[{\"a\":1}, nope]", "[1]x",
         "\"open", "{]", "1 2 }", "[[1}]"}) {
    auto counts = json(body);
    ASSERT_FALSE(counts) << body;
    EXPECT_EQ(counts.error().code, errc::malformed);
    EXPECT_THAT(taken.all, IsEmpty()) << body;
  }
}

TEST_F(ingest_text_test, json_that_is_too_deep_is_none) {
  EXPECT_TRUE(json(std::string(32, '[') + std::string(32, ']')));
  EXPECT_FALSE(json(std::string(10'000, '[') + std::string(10'000, ']')));
}

TEST_F(ingest_text_test, fields_are_taken_apart_on_request) {
  auto record = fields_of(
    R"({"host":"a","time":"2026-01-02T03:04:05.5+01:00","level":"Warn","msg":"hello\n","n":1.5,"o":{"x":[null]}})");
  EXPECT_EQ(record.time, at("2026-01-02T02:04:05.5Z"));
  EXPECT_EQ(record.level, severity::warning);
  EXPECT_EQ(record.body, "hello\n");
  EXPECT_EQ(record.attributes, (taken_attributes{{"host", "a"}, {"n", "1.5"}, {"o", R"({"x":[null]})"}}));
}

TEST_F(ingest_text_test, one_record_has_nothing_of_the_one_before) {
  ndjson("{\"msg\":\"a\",\"level\":\"error\",\"time\":1,\"x\":1}\n{\"msg\":\"b\"}\n3", json_form::fields);
  EXPECT_EQ(taken.all[1].time, received);
  EXPECT_EQ(taken.all[1].level, std::nullopt);
  EXPECT_THAT(taken.all[1].attributes, IsEmpty());
  EXPECT_EQ(taken.all[2].body, "3");
}

TEST_F(ingest_text_test, times_are_told_apart_by_their_magnitude) {
  auto expected = at("2023-11-14T22:13:20.123Z");
  for (auto time : {"1700000000.123", "\"1700000000.123\"", "1700000000123", "\"1700000000123\"", "1700000000123000",
         "1700000000123000000", "\"1700000000123000000\"", "\"2023-11-14T22:13:20.123Z\""}) {
    auto record = fields_of(std::string{R"({"msg":"","ts":)"} + time + "}");
    EXPECT_LE(std::chrono::abs(record.time - expected), std::chrono::microseconds{1}) << time;
    EXPECT_THAT(record.attributes, IsEmpty()) << time;
  }
}

TEST_F(ingest_text_test, what_is_no_time_and_no_level_stays_an_attribute) {
  for (auto time : {"-1", "1e300", "\"yesterday\"", "null", "\"\"", "18446744073709551615"}) {
    auto record = fields_of(std::string{R"({"msg":"m","level":99,"ts":)"} + time + "}");
    EXPECT_EQ(record.time, received) << time;
    EXPECT_EQ(record.attributes.size(), 2) << time;
    EXPECT_EQ(record.attributes[0], (std::pair<std::string, std::string>{"level", "99"}));
  }
}

TEST_F(ingest_text_test, the_first_name_that_has_a_usable_value_counts) {
  auto record = fields_of(R"({"log":"l","message":7,"ts":2,"timestamp":"?","severity":"fatal","level":"?"})");
  EXPECT_EQ(record.body, "l");
  EXPECT_EQ(record.time, at("1970-01-01T00:00:02Z"));
  EXPECT_EQ(record.level, severity::critical);
  EXPECT_EQ(record.attributes, (taken_attributes{{"message", "7"}, {"timestamp", "?"}, {"level", "?"}}));
}

TEST_F(ingest_text_test, an_object_that_no_record_can_hold_is_stored_as_it_came) {
  std::string many = R"({"msg":"m")";
  for (int i = 0; i < 65; ++i)
    many += ",\"k" + std::to_string(i) + "\":1";
  many += "}";
  EXPECT_EQ(fields_of(many).body, many);
  auto no_key = R"({"msg":"m","":1})";
  EXPECT_EQ(fields_of(no_key).body, no_key);
  taken.all.clear();
  EXPECT_EQ(ndjson(many + "\n" + no_key, json_form::fields).unparsed, 2);
  EXPECT_EQ(ndjson("{\"no\":\"body\"}", json_form::fields).unparsed, 0);
}

} // namespace sluice

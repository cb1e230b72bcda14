#include <gmock/gmock.h>

#include "messages/ingest/otlp_records.hpp"
#include "otlp_logs.pb.h"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace sluice::test;

std::string field(int number, const std::string& bytes) {
  std::string made{static_cast<char>(number << 3 | 2)};
  auto size = bytes.size();
  for (; size >= 0x80; size >>= 7)
    made += static_cast<char>(size | 0x80);
  return made + static_cast<char>(size) + bytes;
}

void add(google::protobuf::RepeatedPtrField<otlp::Field>& to, const std::string& key, const std::string& value) {
  auto& made = *to.Add();
  made.set_key(key);
  made.mutable_value()->set_string_value(value);
}

otlp::Record record(const std::string& body) {
  otlp::Record made;
  made.mutable_body()->set_string_value(body);
  return made;
}

/// A request with one resource and one scope.
std::string request(const std::vector<otlp::Record>& records) {
  otlp::Resource resource;
  add(*resource.mutable_attributes(), "service.name", "shop");
  otlp::Scope scope;
  scope.set_name("lib");
  scope.set_version("1.2");
  auto logs = field(1, scope.SerializeAsString());
  for (auto& each : records)
    logs += field(2, each.SerializeAsString());
  return field(1, field(1, resource.SerializeAsString()) + field(2, logs));
}

constexpr auto as_json = R"({"resourceLogs":[{
  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
  "scopeLogs":[{"scope":{"name":"lib","version":"1.2"},"logRecords":[
    {"timeUnixNano":"1700000000000000001","observedTimeUnixNano":"5","severityNumber":13,"severityText":"WARN",
     "body":{"stringValue":"hello"},"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174",
     "attributes":[{"key":"n","value":{"intValue":"-7"}},{"key":"d","value":{"doubleValue":0.5}},
       {"key":"b","value":{"boolValue":true}},
       {"key":"l","value":{"arrayValue":{"values":[{"stringValue":"x"},{"bytesValue":"AP8="},{}]}}},
       {"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"intValue":3}}]}}}]}]}]}]})";

otlp::Record full_record() {
  auto made = record("hello");
  made.set_time_unix_nano(1'700'000'000'000'000'001);
  made.set_observed_time_unix_nano(5);
  made.set_severity_number(13);
  made.set_severity_text("WARN");
  made.set_trace_id("\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c");
  made.set_span_id("\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74");
  auto value = [&made](const char* key) {
    auto& each = *made.add_attributes();
    each.set_key(key);
    return each.mutable_value();
  };
  value("n")->set_int_value(-7);
  value("d")->set_double_value(0.5);
  value("b")->set_bool_value(true);
  auto& list = *value("l")->mutable_array_value();
  list.add_values()->set_string_value("x");
  list.add_values()->set_bytes_value(std::string{"\0\xff", 2});
  list.add_values();
  auto& inner = *value("m")->mutable_kvlist_value()->add_values();
  inner.set_key("k");
  inner.mutable_value()->set_int_value(3);
  return made;
}

struct ingest_otlp_test : Test {
  expected<ingest_counts> json(std::string_view body) {
    return read_otlp(body, otlp_encoding::json, received, taken.take());
  }
  expected<ingest_counts> protobuf(std::string_view body) {
    return read_otlp(body, otlp_encoding::protobuf, received, taken.take());
  }

  void expect_the_full_record() {
    ASSERT_EQ(taken.all.size(), 1);
    auto& found = taken.all[0];
    EXPECT_EQ(found.body, "hello");
    EXPECT_EQ(found.time, at("2023-11-14T22:13:20.000000001Z"));
    EXPECT_EQ(found.level, severity::warning);
    EXPECT_EQ(found.attributes,
      (taken_attributes{{"resource.service.name", "shop"}, {"scope.name", "lib"}, {"scope.version", "1.2"}, {"n", "-7"},
        {"d", "5E-1"}, {"b", "true"}, {"l", R"(["x","AP8=",null])"}, {"m", R"({"k":3})"},
        {"trace_id", "5b8efff798038103d269b633813fc60c"}, {"span_id", "eee19b7ec3c1b174"}, {"severity_text", "WARN"}}));
  }

  taken_records taken;
};

} // namespace

TEST_F(ingest_otlp_test, reads_protobuf) {
  auto counts = protobuf(request({full_record()}));
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->records, 1);
  expect_the_full_record();
}

TEST_F(ingest_otlp_test, reads_json) {
  auto counts = json(as_json);
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->records, 1);
  expect_the_full_record();
}

TEST_F(ingest_otlp_test, one_record_has_nothing_of_the_one_before) {
  ASSERT_TRUE(protobuf(request({full_record(), otlp::Record{}}) + field(1, field(2, field(2, "")))));
  ASSERT_EQ(taken.all.size(), 3);
  EXPECT_EQ(taken.all[1].attributes.size(), 3);
  EXPECT_EQ(taken.all[1].body, "");
  EXPECT_EQ(taken.all[1].time, received);
  EXPECT_EQ(taken.all[1].level, std::nullopt);
  EXPECT_THAT(taken.all[2].attributes, IsEmpty());
}

TEST_F(ingest_otlp_test, takes_severities_as_the_specification_maps_them) {
  using expectation = std::pair<int, std::optional<severity>>;
  for (auto [number, level] : {expectation{0, std::nullopt}, {1, severity::debug}, {8, severity::debug},
         {9, severity::informational}, {10, severity::notice}, {12, severity::notice}, {13, severity::warning},
         {16, severity::warning}, {17, severity::error}, {18, severity::critical}, {20, severity::alert},
         {21, severity::emergency}, {24, severity::emergency}, {25, std::nullopt}}) {
    auto each = record("");
    each.set_severity_number(number);
    ASSERT_TRUE(protobuf(request({each})));
    EXPECT_EQ(taken.all.back().level, level) << number;
  }
  auto named = record("");
  named.set_severity_text("Fatal");
  ASSERT_TRUE(protobuf(request({named})));
  EXPECT_EQ(taken.all.back().level, severity::critical);
}

TEST_F(ingest_otlp_test, takes_the_time_of_observation_where_there_is_no_other) {
  auto each = record("");
  each.set_observed_time_unix_nano(1'000'000'000);
  auto beyond = record("");
  beyond.set_time_unix_nano(UINT64_MAX);
  ASSERT_TRUE(protobuf(request({each, beyond})));
  EXPECT_EQ(taken.all[0].time, at("1970-01-01T00:00:01Z"));
  EXPECT_EQ(taken.all[1].time, received);
}

TEST_F(ingest_otlp_test, bodies_that_are_no_text_are_json) {
  otlp::Record list, bytes;
  list.mutable_body()->mutable_array_value()->add_values()->set_double_value(NAN);
  bytes.mutable_body()->set_bytes_value("\x01\xff");
  ASSERT_TRUE(protobuf(request({list, bytes})));
  EXPECT_THAT(taken.bodies(), ElementsAre(R"(["NaN"])", "\x01\xff"));
}

TEST_F(ingest_otlp_test, refuses_single_records_and_says_so) {
  auto many = record("many"), nameless = record("nameless"), long_one = record("long");
  for (int i = 0; i < 65; ++i)
    add(*many.mutable_attributes(), "k" + std::to_string(i), "v");
  add(*nameless.mutable_attributes(), "", "v");
  add(*long_one.mutable_attributes(), "k", std::string(65 * 1024, 'v'));
  auto counts = protobuf(request({record("a"), many, nameless, long_one, record("b")}));
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->refused, 3);
  EXPECT_THAT(taken.bodies(), ElementsAre("a", "b"));
  EXPECT_THAT(otlp_answer(*counts, otlp_encoding::json),
    StartsWith(R"({"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"records have)"));
  otlp::Answer answer;
  ASSERT_TRUE(answer.ParseFromString(otlp_answer(*counts, otlp_encoding::protobuf)));
  EXPECT_EQ(answer.partial_success().rejected_log_records(), 3);
}

// Each record was given all that it cannot have before that was seen, which took hours for these.
TEST_F(ingest_otlp_test, refuses_records_of_a_resource_with_too_many_attributes_before_they_are_made) {
  std::string attributes, records;
  for (int i = 0; i < 200'000; ++i)
    attributes += field(1, field(1, "k"));
  for (int i = 0; i < 1'000'000; ++i)
    records += field(2, "");
  auto counts = protobuf(field(1, field(1, attributes) + field(2, records)));
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->refused, 1'000'000);
  EXPECT_THAT(taken.all, IsEmpty());
}

TEST_F(ingest_otlp_test, takes_a_record_that_has_as_many_attributes_as_it_can) {
  otlp::Resource resource;
  for (int i = 0; i < 60; ++i)
    add(*resource.mutable_attributes(), "r" + std::to_string(i), "v");
  auto with = record("fits");
  for (int i = 0; i < 4; ++i)
    add(*with.mutable_attributes(), "k" + std::to_string(i), "v");
  auto beyond = with;
  add(*beyond.mutable_attributes(), "k", "v");
  auto records = field(2, with.SerializeAsString()) + field(2, beyond.SerializeAsString());
  auto counts = protobuf(field(1, field(1, resource.SerializeAsString()) + field(2, records)));
  EXPECT_EQ(counts->refused, 1);
  EXPECT_THAT(taken.bodies(), ElementsAre("fits"));
}

TEST_F(ingest_otlp_test, answers_full_success_with_an_empty_message) {
  EXPECT_EQ(otlp_answer({}, otlp_encoding::json), "{}");
  EXPECT_EQ(otlp_answer({}, otlp_encoding::protobuf), "");
  EXPECT_EQ(otlp_status("a \"b\"", otlp_encoding::json), R"({"message":"a \"b\""})");
  EXPECT_EQ(otlp_status("x", otlp_encoding::protobuf), field(2, "x"));
}

TEST_F(ingest_otlp_test, takes_nothing_of_a_body_that_is_no_request) {
  auto good = request({record("good")});
  for (auto& body : {good + "\x0a\x7f", good + "nope", good + field(1, field(2, field(2, "\x2a\x7f"))),
         good + field(1, field(1, "\x0a\x7f")), good.substr(0, good.size() - 1)}) {
    ASSERT_FALSE(protobuf(body));
    EXPECT_THAT(taken.all, IsEmpty());
  }
  auto with = [](std::string_view record) {
    return R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{},)" + std::string{record} + "]}]}]}";
  };
  for (auto& body : {with("7"), with(R"({"timeUnixNano":"x"})"), with(R"({"timeUnixNano":"-1"})"),
         with(R"({"traceId":"abc"})"), with(R"({"traceId":"zz"})"), with(R"({"body":"text"})"),
         with(R"({"body":{"stringValue":1}})"), with(R"({"body":{"bytesValue":"A"}})"), with(R"({"attributes":{}})"),
         with(R"({"attributes":[{"value":{}}]})"), with(R"({"body":{"arrayValue":{"values":7}}})"),
         with(R"({"body":{"kvlistValue":[]}})"), std::string{"[]"}, std::string{R"({"resourceLogs":{}})"},
         std::string{R"({"resourceLogs":[{"resource":7}]})"}, std::string{"nope"},
         std::string{R"({"resourceLogs":[{"scopeLogs":[{"scope":{"name":7}}]}]})"}}) {
    ASSERT_FALSE(json(body)) << body;
    EXPECT_THAT(taken.all, IsEmpty()) << body;
  }
  EXPECT_EQ(json(R"({"resourceLogs":null,"later":1})")->records, 0);
}

TEST_F(ingest_otlp_test, a_record_that_would_take_much_memory_is_refused) {
  auto big = record("x");
  for (int i = 0; i < 3; ++i)
    add(*big.mutable_attributes(), "k", std::string(2 * 1024 * 1024, 'v'));
  EXPECT_FALSE(protobuf(request({big})));
}

} // namespace sluice

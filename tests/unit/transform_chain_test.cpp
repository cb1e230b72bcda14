#include <map>

#include <gmock/gmock.h>

#include "actors/transform/redaction.hpp"
#include "tests/unit/transform_support.hpp"

namespace sluice {

namespace {

using namespace testing;

using attributes = std::vector<std::pair<std::string, std::string>>;

class transform_chain_test : public Test {
protected:
  rule_outcome apply(const std::vector<record_transform>& rules, whole_record& x, std::size_t room = 1024 * 1024) {
    transform_chain chain{rules};
    auto record = view(x);
    record_place at{
      .stream = {}, .position = position_, .max_bytes = encoded_bound(record) + room, .is_part = is_part_};
    auto outcome = chain.apply(record, at);
    x = copy(record);
    failures_.clear();
    chain.take_failures(
      [this](std::string_view reason, std::uint64_t times) { failures_[std::string{reason}] += times; });
    return outcome;
  }

  std::uint64_t position_ = 0;
  bool is_part_ = false;
  std::map<std::string, std::uint64_t> failures_;
};

using enum rule_outcome;

} // namespace

TEST_F(transform_chain_test, json_severity_and_time_are_taken) {
  whole_record x{R"({"time":"2026-01-02T03:04:05.5Z","level":"WARN","a":{"b":1}})"};
  EXPECT_EQ(
    apply({parse_json_transform{}, set_severity_transform{"level"}, set_timestamp_transform{"time"}}, x), changed);
  EXPECT_EQ(x.level, severity::warning);
  EXPECT_EQ(x.time.time_since_epoch(), std::chrono::milliseconds{1767323045500});
  EXPECT_EQ(x.attributes, (attributes{{"time", "2026-01-02T03:04:05.5Z"}, {"level", "WARN"}, {"a.b", "1"}}));
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(transform_chain_test, an_attribute_can_be_parsed_in_turn) {
  whole_record x{R"(app={"n":1})"};
  EXPECT_EQ(apply({parse_key_value_transform{}, parse_json_transform{.field = "app", .prefix = "app."}}, x), changed);
  EXPECT_EQ(x.attributes, (attributes{{"app", R"({"n":1})"}, {"app.n", "1"}}));
}

TEST_F(transform_chain_test, a_rule_that_fails_changes_nothing_and_the_next_ones_are_applied) {
  whole_record x{"no json, id 1234", true, {}, severity::error, {{"level", "loud"}, {"time", "late"}}};
  auto wanted = x;
  wanted.body = "no json, id *";
  EXPECT_EQ(apply({parse_json_transform{}, parse_key_value_transform{}, set_severity_transform{"level"},
                    set_timestamp_transform{"time"}, redact_transform{pattern("\\d{4}"), "*", ""}},
              x),
    changed);
  EXPECT_EQ(x, wanted);
  EXPECT_THAT(failures_, UnorderedElementsAre(Pair("parse_json", 1), Pair("parse_key_value", 1),
                           Pair("set_severity", 1), Pair("set_timestamp", 1)));
}

TEST_F(transform_chain_test, a_rule_whose_attribute_is_missing_has_nothing_to_do) {
  whole_record x{"text"};
  EXPECT_EQ(
    apply({parse_json_transform{.field = "a", .prefix = {}}, set_severity_transform{"a"}, set_timestamp_transform{"a"},
            drop_transform{pattern(""), "a"}, redact_transform{pattern("t"), "*", "a"}},
      x),
    unchanged);
  EXPECT_EQ(x, whole_record{"text"});
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(transform_chain_test, attributes_beyond_the_bounds_leave_the_record_as_it_was) {
  attributes before{{"a", "1"}, {"b", "2"}};
  for (std::size_t i = before.size(); i < payload_limits::max_attributes; ++i)
    before.emplace_back("k" + std::to_string(i), "v");
  whole_record x{R"({"a":"changed","new":1})", true, {}, {}, before};
  EXPECT_EQ(apply({parse_json_transform{}}, x), unchanged);
  EXPECT_EQ(x.attributes, before);
  EXPECT_THAT(failures_, ElementsAre(Pair("too_large", 1)));
  whole_record y{R"({"a":"0123456789"})"};
  EXPECT_EQ(apply({parse_json_transform{}}, y, 15), unchanged);
  EXPECT_THAT(failures_, ElementsAre(Pair("too_large", 1)));
  EXPECT_EQ(apply({parse_json_transform{}}, y, 16), changed);
}

TEST_F(transform_chain_test, severities_and_times_in_all_their_forms) {
  for (auto& [text, level] :
    std::vector<std::pair<std::string, severity>>{{"emerg", severity::emergency}, {"Warning", severity::warning},
      {"warn", severity::warning}, {"ERROR", severity::error}, {"info", severity::informational},
      {"3", severity::error}, {"trace", severity::debug}, {"FATAL", severity::critical}}) {
    whole_record x{"", true, {}, {}, {{"level", text}}};
    EXPECT_EQ(apply({set_severity_transform{"level"}}, x), changed);
    EXPECT_EQ(x.level, level) << text;
  }
  for (auto text : {"1767323045", "1767323045000", "1767323045000000", "1767323045000000000", "1767323045.0",
         "2026-01-02T04:04:05+01:00"}) {
    whole_record x{"", true, {}, {}, {{"t", text}}};
    EXPECT_EQ(apply({set_timestamp_transform{"t"}}, x), changed);
    EXPECT_EQ(x.time.time_since_epoch(), std::chrono::seconds{1767323045}) << text;
  }
  for (auto text : {"", "yesterday", "-1", "2026-01-02", "1767323045x"}) {
    whole_record x{"", true, {}, {}, {{"t", text}}};
    EXPECT_EQ(apply({set_timestamp_transform{"t"}}, x), unchanged) << text;
    EXPECT_THAT(failures_, ElementsAre(Pair("set_timestamp", 1)));
  }
}

TEST_F(transform_chain_test, drop_looks_anywhere_and_at_bytes) {
  whole_record x{"a DEBUG \xff line", true, {}, {}, {{"level", "debug"}}};
  EXPECT_EQ(apply({drop_transform{pattern("DEBUG . l"), ""}}, x), filtered);
  EXPECT_EQ(apply({drop_transform{pattern("^DEBUG"), ""}}, x), unchanged);
  EXPECT_EQ(apply({drop_transform{pattern("^debug$"), "level"}}, x), filtered);
  EXPECT_EQ(apply({drop_transform{pattern("DEBUG"), "level"}}, x), unchanged);
}

TEST_F(transform_chain_test, redaction_reaches_body_and_attributes) {
  whole_record x{"card 4111111111111111.", true, {}, {}, {{"card", "4111111111111111"}, {"n", "12"}}};
  auto y = x;
  EXPECT_EQ(apply({redact_transform{pattern("\\d{16}"), "****", ""}}, x), changed);
  EXPECT_EQ(x.body, "card ****.");
  EXPECT_EQ(x.attributes, (attributes{{"card", "****"}, {"n", "12"}}));
  EXPECT_EQ(apply({redact_transform{pattern("\\d{12}(\\d{4})"), "<\\1>", "card"}}, y), changed);
  EXPECT_EQ(y.body, "card 4111111111111111.");
  EXPECT_EQ(y.attributes, (attributes{{"card", "<1111>"}, {"n", "12"}}));
}

TEST_F(transform_chain_test, what_cannot_be_redacted_within_the_bounds_is_emptied) {
  whole_record x{
    "aaaa", true, {}, {}, {{"a", std::string(payload_limits::max_attribute_value_bytes, 'a')}, {"b", "a"}}};
  EXPECT_EQ(apply({redact_transform{pattern("a"), "bb", ""}}, x), changed);
  EXPECT_EQ(x.body, "bbbbbbbb");
  EXPECT_EQ(x.attributes, (attributes{{"a", ""}, {"b", "bb"}}));
  EXPECT_THAT(failures_, ElementsAre(Pair("too_large", 1)));
  whole_record y{"aaaa"};
  EXPECT_EQ(apply({redact_transform{pattern("a"), "bb", ""}}, y, 3), changed);
  EXPECT_EQ(y.body, "");
}

TEST_F(transform_chain_test, only_redaction_is_applied_to_parts_of_lines) {
  const std::vector<record_transform> rules{parse_json_transform{}, parse_key_value_transform{},
    drop_transform{pattern("secret"), ""}, sample_transform{1'000'000'000},
    redact_transform{pattern("secret"), "*", ""}};
  whole_record x{"a=secret"};
  is_part_ = true;
  EXPECT_EQ(apply(rules, x), changed);
  EXPECT_EQ(x, whole_record{"a=*"});
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(transform_chain_test, a_sample_keeps_the_share_and_the_same_records_again) {
  auto kept = [this](std::vector<record_transform> rules) {
    std::vector<std::uint64_t> positions;
    for (position_ = 0; position_ < 100'000; position_ += 10) {
      whole_record x{"text"};
      if (apply(rules, x) == unchanged)
        positions.push_back(position_);
    }
    return positions;
  };
  auto tenth = kept({sample_transform{10}});
  EXPECT_NEAR(static_cast<double>(tenth.size()), 1'000, 150);
  EXPECT_EQ(kept({sample_transform{10}}), tenth);
  EXPECT_EQ(kept({sample_transform{1}}).size(), 10'000);
  EXPECT_NEAR(static_cast<double>(kept({sample_transform{10}, sample_transform{10}}).size()), 100, 50);
}

TEST(redaction, replaces_every_match_and_no_empty_one) {
  redaction digits{pattern("\\d*"), "#"}, begin{pattern("^a|b"), "x"}, words{pattern("\\bcat\\b"), "dog"};
  EXPECT_EQ(digits.apply("a12b3", 100).text, "a#b#");
  EXPECT_FALSE(digits.apply("abc", 100).has_match);
  EXPECT_EQ(begin.apply("aab", 100).text, "xax");
  EXPECT_EQ(words.apply("cat concat cat", 100).text, "dog concat dog");
  EXPECT_TRUE(words.apply("cat", 3).is_whole);
  redaction longer{pattern("cat"), "horse"};
  EXPECT_FALSE(longer.apply("a cat", 6).is_whole);
  EXPECT_TRUE(longer.apply("a cat", 7).is_whole);
}

TEST(redaction, results_hold_until_the_next_record) {
  redaction digit{pattern("\\d"), "#"};
  auto one = digit.apply("1a", 10), two = digit.apply("2b", 10);
  EXPECT_EQ(one.text, "#a");
  EXPECT_EQ(two.text, "#b");
}

} // namespace sluice

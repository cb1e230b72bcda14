#include <fmt/format.h>
#include <gmock/gmock.h>

#include "deploy/configuration.hpp"

namespace sluice {

namespace {

using namespace testing;

/// A configuration with these transforms for what is received; they begin in line 4.
std::string with(const std::string& transforms) {
  return "store: {path: /s}\nreceive:\n  listen: syslog+tcp://h:1\n  transforms: " + transforms + "\n";
}

std::vector<std::string> problems_of(const std::string& text) {
  auto made = read_configuration(text);
  std::vector<std::string> lines;
  if (!made)
    for (auto& x : made.error())
      lines.push_back(fmt::format("{}:{}: {}: {}", x.place.line, x.place.column, x.key, x.message));
  return lines;
}

} // namespace

TEST(transform_configuration, all_rules_are_read_in_order) {
  const std::string list = R"([
    {parse_json: {field: payload, prefix: p.}},
    {parse_key_value: {field_separator: ',', key_value_separator: ':'}},
    {set_severity: {from: level}}, {set_timestamp: {from: time}},
    {add_labels: {env: prod, tier: web}},
    {drop: {match: '^DEBUG', field: level}},
    {redact: {match: '(\d{4})\d{12}', with: '\1****'}},
    {sample: {keep_one_in: 10}}])";
  auto made = read_configuration(with(list));
  ASSERT_TRUE(made) << problems_of(with(list)).front();
  auto& found = made->receive->ingest.transforms;
  EXPECT_EQ(to_string(found.labels), R"({env="prod", tier="web"})");
  ASSERT_EQ(found.records.size(), 7);
  EXPECT_EQ(std::get<parse_json_transform>(found.records[0]).field, "payload");
  EXPECT_EQ(std::get<parse_json_transform>(found.records[0]).prefix, "p.");
  EXPECT_EQ(std::get<parse_key_value_transform>(found.records[1]).form.between_pairs, ',');
  EXPECT_EQ(std::get<parse_key_value_transform>(found.records[1]).form.within_pair, ':');
  EXPECT_EQ(std::get<set_severity_transform>(found.records[2]).from, "level");
  EXPECT_EQ(std::get<set_timestamp_transform>(found.records[3]).from, "time");
  EXPECT_TRUE(matches(*std::get<drop_transform>(found.records[4]).match, "DEBUG x"));
  EXPECT_EQ(std::get<drop_transform>(found.records[4]).field, "level");
  EXPECT_EQ(std::get<redact_transform>(found.records[5]).with, "\\1****");
  EXPECT_EQ(std::get<sample_transform>(found.records[6]).keep_one_in, 10);
}

TEST(transform_configuration, each_source_has_its_own) {
  auto made = read_configuration("node: {data_dir: /d}\nstore: {path: /s}\nsources:\n"
                                 "  a: {include: /a, transforms: [{parse_json: {}}]}\n  b: {include: /b}\n");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->sources.at("a").transforms.records.size(), 1);
  EXPECT_TRUE(made->sources.at("b").transforms.empty());
  EXPECT_TRUE(made->receive->ingest.transforms.empty());
}

TEST(transform_configuration, each_mistake_has_a_place_and_a_reason) {
  struct mistake {
    std::string transforms, place, says;
  };
  std::string many = "[";
  for (std::size_t i = 0; i <= max_transforms; ++i)
    many += "{parse_json: {}},";
  for (auto& x :
    std::vector<mistake>{
      {"{parse_json: {}}", "4:15: receive.transforms: ", "list"},
      {"[]", "4:15: receive.transforms: ", "list"},
      {many + "]", "4:15: receive.transforms: ", "1 to 64"},
      {"[parse_json]", "4:16: receive.transforms.1: ", "section"},
      {"[{parse_json: }]", "receive.transforms.1.parse_json: ", "section"},
      {"[{parse_json: {}}, {parse_jsn: {}}]", "4:35: receive.transforms.2.parse_jsn: ", "did you mean 'parse_json'?"},
      {"[{parse_json: {}, drop: {match: a}}]", "4:16: receive.transforms.1: ", "one name"},
      {"[{}]", "4:16: receive.transforms.1: ", "one name"},
      {"[{parse_json: {fild: a}}]", "4:30: receive.transforms.1.parse_json.fild: ", "did you mean 'field'?"},
      {"[{parse_json: {field: ''}}]", "receive.transforms.1.parse_json.field: ", "1 to 256"},
      {"[{parse_key_value: {field_separator: ab}}]",
        "4:52: receive.transforms.1.parse_key_value.field_separator: ", "one character"},
      {"[{parse_key_value: {field_separator: '='}}]",
        "receive.transforms.1.parse_key_value.key_value_separator: ", "the same"},
      {"[{set_severity: {}}]", "receive.transforms.1.set_severity.from: ", "missing"},
      {"[{set_timestamp: {}}]", "receive.transforms.1.set_timestamp.from: ", "missing"},
      {"[{drop: {}}]", "receive.transforms.1.drop.match: ", "missing"},
      {"[{drop: {match: '('}}]", "4:31: receive.transforms.1.drop.match: ", "missing )"},
      {"[{drop: {match: '(((a{1,100}){1,100}){1,100})'}}]", "4:31: receive.transforms.1.drop.match: ", "a{1,100}"},
      {"[{redact: {match: 'a*'}}]", "4:33: receive.transforms.1.redact.match: ", "nothing"},
      {"[{redact: {match: a, with: '\\1'}}]", "4:36: receive.transforms.1.redact.with: ", "\\1"},
      {"[{redact: {match: a, with: " + std::string(1025, 'x') + "}}]", "receive.transforms.1.redact.with: ", "1024"},
      {"[{sample: {}}]", "receive.transforms.1.sample.keep_one_in: ", "missing"},
      {"[{sample: {keep_one_in: 0}}]", "4:39: receive.transforms.1.sample.keep_one_in: ", "0"},
      {"[{add_labels: {'a b': c}}]", "4:30: receive.transforms.1.add_labels.a b: ", "key"},
    }) {
    auto found = problems_of(with(x.transforms));
    EXPECT_THAT(found, Contains(AllOf(HasSubstr(x.place), HasSubstr(x.says)))) << x.transforms;
  }
  EXPECT_THAT(problems_of("store: {path: /s}\nreceive: {listen: tcp://h:1, transforms: [{parse_json: {}}]}\n"),
    ElementsAre(AllOf(StartsWith("2:30: receive.transforms: "), HasSubstr("frames"))));
}

} // namespace sluice

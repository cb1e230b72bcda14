#include <gmock/gmock.h>

#include "messages/ingest/json_attributes.hpp"
#include "messages/ingest/key_values.hpp"

namespace sluice {

namespace {

using namespace testing;

using texts = std::vector<std::pair<std::string, std::string>>;

texts copy(const attribute_list& of) {
  return {of.begin(), of.end()};
}

texts json(std::string_view text, std::string_view prefix = {}) {
  json_attributes reader;
  attribute_list made;
  EXPECT_EQ(reader.read(text, prefix, made), attribute_outcome::parsed) << text;
  return copy(made);
}

texts pairs(std::string_view text, key_value_form form = {}, std::string_view prefix = {}) {
  key_value_reader reader{form};
  attribute_list made;
  EXPECT_EQ(reader.read(text, prefix, made), attribute_outcome::parsed) << text;
  return copy(made);
}

template <class Reader>
attribute_outcome outcome_of(Reader&& reader, std::string_view text, std::string_view prefix = {}) {
  attribute_list made;
  return reader.read(text, prefix, made);
}

std::string object_of(std::size_t members) {
  std::string text = "{";
  for (std::size_t i = 0; i < members; ++i)
    text += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  return text + "}";
}

} // namespace

TEST(json_attributes, members_become_attributes) {
  EXPECT_EQ(json(R"( {"s":"a\nb","n":1,"f":0.25,"big":1700000000.123,"t":true,"z":null,"l":[1,{"x":2}],"e":{}} )"),
    (texts{{"s", "a\nb"}, {"n", "1"}, {"f", "0.25"}, {"big", "1700000000.123"}, {"t", "true"}, {"z", "null"},
      {"l", R"([1,{"x":2}])"}, {"e", "{}"}}));
}

TEST(json_attributes, inner_objects_are_flattened) {
  EXPECT_EQ(json(R"({"a":{"b":{"c":1},"d":"x"},"a.d":"y"})"), (texts{{"a.b.c", "1"}, {"a.d", "y"}}));
  EXPECT_EQ(json(R"({"a":{"b":1},"c":2})", "p_"), (texts{{"p_a.b", "1"}, {"p_c", "2"}}));
}

TEST(json_attributes, what_is_there_gets_the_new_value) {
  json_attributes reader;
  attribute_list made{{"host", "a"}, {"level", "b"}};
  EXPECT_EQ(reader.read(R"({"level":"c","x":1})", {}, made), attribute_outcome::parsed);
  EXPECT_EQ(copy(made), (texts{{"host", "a"}, {"level", "c"}, {"x", "1"}}));
}

TEST(json_attributes, what_is_no_object_is_unparsed) {
  for (auto text : {"", " ", "x", "1", "[]", "\"a\"", "null", "{", "{\"a\":1} {", "{\"a\":1}x", "{\"a\":\"\xff\"}"})
    EXPECT_EQ(outcome_of(json_attributes{}, text), attribute_outcome::unparsed) << text;
}

TEST(json_attributes, bounds_are_kept) {
  using enum attribute_outcome;
  EXPECT_EQ(outcome_of(json_attributes{}, object_of(payload_limits::max_attributes)), parsed);
  EXPECT_EQ(outcome_of(json_attributes{}, object_of(payload_limits::max_attributes + 1)), too_large);
  auto with_key = [](std::size_t bytes) { return "{\"" + std::string(bytes, 'k') + "\":1}"; };
  EXPECT_EQ(outcome_of(json_attributes{}, with_key(payload_limits::max_attribute_key_bytes)), parsed);
  EXPECT_EQ(outcome_of(json_attributes{}, with_key(payload_limits::max_attribute_key_bytes + 1)), too_large);
  EXPECT_EQ(outcome_of(json_attributes{}, with_key(payload_limits::max_attribute_key_bytes), "p"), too_large);
  EXPECT_EQ(outcome_of(json_attributes{}, with_key(0)), too_large);
  auto with_value = [](std::size_t bytes) { return "{\"k\":\"" + std::string(bytes, 'v') + "\"}"; };
  EXPECT_EQ(outcome_of(json_attributes{}, with_value(payload_limits::max_attribute_value_bytes)), parsed);
  EXPECT_EQ(outcome_of(json_attributes{}, with_value(payload_limits::max_attribute_value_bytes + 1)), too_large);
}

TEST(json_attributes, a_reader_is_used_again_after_a_failure) {
  json_attributes reader;
  EXPECT_EQ(outcome_of(reader, "{\"a\":"), attribute_outcome::unparsed);
  attribute_list made;
  EXPECT_EQ(reader.read("{\"a\":[2]}", {}, made), attribute_outcome::parsed);
  EXPECT_EQ(copy(made), (texts{{"a", "[2]"}}));
}

TEST(key_values, pairs_become_attributes) {
  EXPECT_EQ(pairs("level=info  msg=\"it is \\\"so\\\"\\n\"\ttook=12ms empty= q=\"\" url=/a?b=c\r\n"),
    (texts{
      {"level", "info"}, {"msg", "it is \"so\"\n"}, {"took", "12ms"}, {"empty", ""}, {"q", ""}, {"url", "/a?b=c"}}));
  EXPECT_EQ(pairs(R"(path="C:\dir\x")"), (texts{{"path", R"(C:\dir\x)"}}));
}

TEST(key_values, what_is_no_pair_is_skipped) {
  EXPECT_EQ(pairs("request done =x status=200 \"quoted\" a=1 a=2 end"), (texts{{"status", "200"}, {"a", "2"}}));
}

TEST(key_values, separators_can_be_chosen) {
  constexpr key_value_form form{.between_pairs = ',', .within_pair = ':'};
  EXPECT_EQ(pairs("a: 1, b c : \"x, y\" ,d:e f,g", form), (texts{{"a", "1"}, {"b c", "x, y"}, {"d", "e f"}}));
  EXPECT_EQ(pairs("a=1;b=2 3;;c=", {.between_pairs = ';'}, "p."), (texts{{"p.a", "1"}, {"p.b", "2 3"}, {"p.c", ""}}));
}

TEST(key_values, what_has_no_pair_or_no_end_is_unparsed) {
  for (auto text : {"", "  ", "words only", "=x", "a=\"open", "a=\"open\\\"", "a=1 b=\"", "a=\"\\"})
    EXPECT_EQ(outcome_of(key_value_reader{}, text), attribute_outcome::unparsed) << text;
}

TEST(key_values, bounds_are_kept) {
  using enum attribute_outcome;
  std::string many;
  for (std::size_t i = 0; i < payload_limits::max_attributes; ++i)
    many += "k" + std::to_string(i) + "=v ";
  EXPECT_EQ(outcome_of(key_value_reader{}, many), parsed);
  EXPECT_EQ(outcome_of(key_value_reader{}, many + "one=more"), too_large);
  EXPECT_EQ(outcome_of(key_value_reader{}, many + "k0=again"), parsed);
  EXPECT_EQ(outcome_of(key_value_reader{}, std::string(257, 'k') + "=v"), too_large);
  EXPECT_EQ(outcome_of(key_value_reader{}, "k=" + std::string(64 * 1024 + 1, 'v')), too_large);
}

TEST(text_arena, keeps_texts_until_it_is_cleared) {
  text_arena arena;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string_view> kept;
    for (std::size_t i = 0; i < 300; ++i)
      kept.push_back(arena.keep({std::string(i, 'a'), ".", std::to_string(i)}));
    for (std::size_t i = 0; i < kept.size(); ++i)
      ASSERT_EQ(kept[i], std::string(i, 'a') + "." + std::to_string(i));
    arena.clear();
  }
}

} // namespace sluice

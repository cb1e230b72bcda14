#include <boost/json/parse.hpp>
#include <gmock/gmock.h>

#include "messages/ingest/bulk_records.hpp"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace sluice::test;

struct ingest_bulk_test : Test {
  expected<bulk_outcome> read(std::string_view body, std::string_view index = {}) {
    return read_bulk(body, index, received, taken.take());
  }

  /// The status of each item, and its action.
  static std::vector<std::pair<std::string, std::int64_t>> items_of(const bulk_outcome& outcome) {
    std::vector<std::pair<std::string, std::int64_t>> made;
    auto answer = boost::json::parse(outcome.answer);
    for (auto& item : answer.at("items").as_array())
      for (auto& [action, what] : item.as_object())
        made.emplace_back(std::string{action}, what.at("status").as_int64());
    return made;
  }

  taken_records taken;
};

} // namespace

TEST_F(ingest_bulk_test, keeps_documents_as_they_came) {
  auto outcome = read("{\"index\":{\"_index\":\"logs\",\"_id\":\"7\"}}\n"
                      "{\"@timestamp\":\"2026-01-01T00:00:00Z\", \"level\":\"error\"}\r\n");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->counts.records, 1);
  EXPECT_THAT(taken.bodies(), ElementsAre("{\"@timestamp\":\"2026-01-01T00:00:00Z\", \"level\":\"error\"}"));
  EXPECT_EQ(taken.all[0].time, at("2026-01-01T00:00:00Z"));
  EXPECT_EQ(taken.all[0].level, severity::error);
  EXPECT_EQ(taken.all[0].attributes, (taken_attributes{{"index", "logs"}, {"id", "7"}}));
}

TEST_F(ingest_bulk_test, takes_the_index_of_the_path_where_the_action_has_none) {
  ASSERT_TRUE(read("{\"create\":{}}\n{\"level\":\"info\"}\n{\"create\":{\"_index\":\"b\"}}\n{}\n", "a"));
  EXPECT_EQ(taken.all[0].attributes, (taken_attributes{{"index", "a"}}));
  EXPECT_EQ(taken.all[1].attributes, (taken_attributes{{"index", "b"}}));
  EXPECT_EQ(taken.all[1].level, std::nullopt);
}

TEST_F(ingest_bulk_test, answers_each_item) {
  auto outcome = read("{\"create\":{\"_index\":\"a\"}}\n{}\n"
                      "{\"index\":{\"_index\":\"a\\\"\"}}\n[1]\n"
                      "{\"delete\":{\"_index\":\"a\"}}\n"
                      "{\"update\":{\"_index\":\"a\"}}\n{\"doc\":{}}\n"
                      "{\"index\":{}}\n{}\n"
                      "{\"index\":{\"_index\":\"a\"}}\nno json\n"
                      "{\"index\":{\"_index\":\"a\"}}\n{\"last\":1}");
  ASSERT_TRUE(outcome);
  using item = std::pair<std::string, std::int64_t>;
  EXPECT_THAT(items_of(*outcome),
    ElementsAre(item{"create", 201}, item{"index", 400}, item{"delete", 400}, item{"update", 400}, item{"index", 400},
      item{"index", 400}, item{"index", 201}));
  EXPECT_EQ(outcome->counts.records, 2);
  EXPECT_EQ(outcome->counts.refused, 5);
  EXPECT_THAT(taken.bodies(), ElementsAre("{}", "{\"last\":1}"));
  EXPECT_TRUE(boost::json::parse(outcome->answer).at("errors").as_bool());
}

TEST_F(ingest_bulk_test, says_that_there_are_no_errors) {
  auto answer = boost::json::parse(read("{\"create\":{}}\n{}", "a")->answer);
  EXPECT_FALSE(answer.at("errors").as_bool());
  EXPECT_EQ(answer.at("items").at(0).at("create").at("_index").as_string(), "a");
}

TEST_F(ingest_bulk_test, takes_nothing_of_a_body_that_is_no_bulk) {
  for (auto body : {"{\"create\":{}}\n{}\nnope\n", "{\"create\":{}}\n{}\n{\"create\":{}}\n", "{\"create\":{}}", "{}",
         "{\"create\":{},\"index\":{}}\n{}", "{\"create\":[]}\n{}", "{\"upsert\":{}}\n{}", "[]"}) {
    auto outcome = read(body, "a");
    ASSERT_FALSE(outcome) << body;
    EXPECT_EQ(outcome.error().code, errc::malformed);
    EXPECT_THAT(taken.all, IsEmpty()) << body;
  }
}

// Items repeat the index, so that 16 MiB of refused actions made an answer of 15 GB.
TEST_F(ingest_bulk_test, refuses_a_body_whose_answer_would_take_many_times_its_size) {
  std::string refused, stored, index(255, 'x');
  for (int i = 0; i < 70'000; ++i) {
    refused += "{\"delete\":{}}\n";
    stored += "{\"index\":{}}\n{}\n";
  }
  for (auto& body : {refused, stored})
    EXPECT_EQ(read(body, index).error().code, errc::too_large);
  EXPECT_THAT(taken.all, IsEmpty());
}

TEST_F(ingest_bulk_test, refuses_names_that_are_too_long) {
  auto outcome = read("{\"create\":{\"_index\":\"" + std::string(256, 'x') + "\"}}\n{}\n" +
                      "{\"create\":{\"_id\":\"" + std::string(513, 'x') + "\"}}\n{}\n",
    "a");
  EXPECT_EQ(outcome->counts.refused, 2);
}

} // namespace sluice

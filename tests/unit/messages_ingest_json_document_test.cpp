#include <gtest/gtest.h>

#include "messages/ingest/bulk_records.hpp"
#include "messages/ingest/json_document.hpp"
#include "messages/ingest/loki_records.hpp"
#include "messages/ingest/otlp_records.hpp"
#include "messages/ingest/text_records.hpp"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace sluice::test;

/// 16 MiB that took 576 MiB.
std::string zeros() {
  std::string made = "[0";
  while (made.size() < 16 * 1024 * 1024 - 4)
    made += ",0";
  return made + "]";
}

} // namespace

TEST(ingest_json_document, takes_no_more_memory_than_it_may) {
  json_document document;
  EXPECT_EQ(document.parse(zeros()).error().code, errc::too_large);
  for (int i = 0; i < 3; ++i) {
    auto small = document.parse(R"({"a": [1, "b"]})");
    ASSERT_TRUE(small);
    EXPECT_EQ((*small)->at("a").at(0).as_int64(), 1);
  }
}

// Each had the next one take twice as much, until there was no such memory.
TEST(ingest_json_document, takes_no_more_memory_the_more_documents_there_are) {
  json_document document;
  auto text = '"' + std::string(20'000, 'x') + '"';
  for (int i = 0; i < 64; ++i)
    ASSERT_TRUE(document.parse(text)) << i;
}

TEST(ingest_json_document, one_that_takes_too_much_is_an_error_of_every_format) {
  taken_records taken;
  auto large = zeros();
  EXPECT_EQ(read_json("[" + large + "]", received, json_form::as_it_came, taken.take()).error().code, errc::too_large);
  EXPECT_EQ(read_loki_json(large, received, taken.take()).error().code, errc::too_large);
  EXPECT_EQ(read_otlp(large, otlp_encoding::json, received, taken.take()).error().code, errc::too_large);
  EXPECT_EQ(read_bulk("{\"index\":{}}\n" + large, "a", received, taken.take())->counts.refused, 1);
  EXPECT_TRUE(taken.all.empty());
  EXPECT_EQ(read_ndjson(large, received, json_form::as_it_came, taken.take()).unparsed, 1);
}

} // namespace sluice

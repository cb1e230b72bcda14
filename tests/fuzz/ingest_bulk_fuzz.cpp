// Properties: as in ingest_json_fuzz.cpp; and the answer is JSON, with an item for each record.

#include <boost/json/parse.hpp>

#include "messages/ingest/bulk_records.hpp"
#include "tests/fuzz/ingest_fuzz_support.hpp"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = as_text(fuzz_input(data, size));
  checked_records records;
  auto outcome = read_bulk(input, "index", fuzz_time, records.take());
  records.require(outcome.map([](auto& x) { return x.counts; }));
  if (!outcome)
    return 0;
  boost::json::error_code failure;
  auto answer = boost::json::parse(outcome->answer, failure);
  FUZZ_REQUIRE(!failure);
  FUZZ_REQUIRE(answer.at("items").as_array().size() == outcome->counts.records + outcome->counts.refused);
  return 0;
}

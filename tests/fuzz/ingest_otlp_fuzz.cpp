// Properties: as in ingest_json_fuzz.cpp. Input: an export request, as JSON or as protobuf.

#include "messages/ingest/otlp_records.hpp"
#include "tests/fuzz/ingest_fuzz_support.hpp"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = as_text(fuzz_input(data, size));
  for (auto encoding : {otlp_encoding::json, otlp_encoding::protobuf}) {
    checked_records records;
    records.require(read_otlp(input, encoding, fuzz_time, records.take()));
  }
  return 0;
}

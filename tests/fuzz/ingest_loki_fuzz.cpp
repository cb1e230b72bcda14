// Properties: as in ingest_json_fuzz.cpp. Input: a push request, as JSON or as protobuf.

#include "messages/ingest/loki_labels.hpp"
#include "messages/ingest/loki_records.hpp"
#include "tests/fuzz/ingest_fuzz_support.hpp"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = as_text(fuzz_input(data, size));
  checked_records json, protobuf;
  json.require(read_loki_json(input, fuzz_time, json.take()));
  protobuf.require(read_loki_protobuf(input, fuzz_time, protobuf.take()));
  static_cast<void>(parse_loki_labels(input));
  return 0;
}

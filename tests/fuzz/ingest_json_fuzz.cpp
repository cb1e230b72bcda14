// Properties: whatever the text, what is taken of it can be encoded, and a reader that fails has taken nothing; what
// stays as it came stands in the text. Input: u8 form, text.

#include "messages/ingest/text_records.hpp"
#include "tests/fuzz/ingest_fuzz_support.hpp"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = as_text(fuzz_input(data, size));
  if (input.empty())
    return 0;
  auto form = (input[0] & 1) != 0 ? json_form::fields : json_form::as_it_came;
  auto text = input.substr(1);
  checked_records values, lines, plain;
  values.require(read_json(text, fuzz_time, form, values.take()));
  lines.require(read_ndjson(text, fuzz_time, form, lines.take()));
  plain.require(read_text(text, fuzz_time, plain.take()));
  static_cast<void>(read_json(text, fuzz_time, json_form::as_it_came, [text](const record_view& record) {
    FUZZ_REQUIRE(text.find(record.body) != text.npos);
  }));
  return 0;
}

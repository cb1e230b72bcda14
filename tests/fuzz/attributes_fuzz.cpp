// Properties: whatever the text, what is parsed of it is within the bounds of a record, can be encoded, and is read
// back the same; a second reading gives the same. Input: u8 which (0 JSON, 1 key=value, 2 with other separators), text.

#include "messages/ingest/json_attributes.hpp"
#include "messages/ingest/key_values.hpp"
#include "tests/fuzz/fuzz_support.hpp"

using namespace sluice;

namespace {

using texts = std::vector<std::pair<std::string, std::string>>;

void require_encodable(const attribute_list& attributes, std::string_view body) {
  record_view record;
  record.body = body;
  record.attributes = attributes;
  record_encoder encoder;
  FUZZ_REQUIRE(encoder.append(record));
  auto payload = encoder.finish();
  auto reader = record_reader::open(payload.view(), 1);
  FUZZ_REQUIRE(reader);
  auto* read = reader->next();
  FUZZ_REQUIRE(read && read->attributes == attributes && read->body == body);
}

template <class Reader>
void check(Reader& reader, std::string_view text) {
  for (std::string_view prefix : {"", "p."}) {
    attribute_list first{{"a", "before"}}, second{{"a", "before"}};
    auto outcome = reader.read(text, prefix, first);
    if (outcome != attribute_outcome::parsed)
      continue;
    require_encodable(first, text);
    texts kept{first.begin(), first.end()};
    FUZZ_REQUIRE(reader.read(text, prefix, second) == outcome);
    FUZZ_REQUIRE(kept == texts(second.begin(), second.end()));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = as_text(fuzz_input(data, size));
  if (input.empty())
    return 0;
  static json_attributes json;
  static key_value_reader pairs, others{{.between_pairs = ',', .within_pair = ':'}};
  auto text = input.substr(1);
  switch (static_cast<unsigned char>(input[0]) % 3) {
  case 0:
    check(json, text);
    break;
  case 1:
    check(pairs, text);
    break;
  default:
    check(others, text);
  }
  return 0;
}

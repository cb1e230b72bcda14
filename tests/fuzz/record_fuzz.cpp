// Properties: a reader gives no more records than announced and no byte that is not in the payload; what it reads
// whole can be encoded and read again. Input: u32 record count, payload.

#include <algorithm>

#include "messages/record_codec.hpp"
#include "tests/fuzz/fuzz_support.hpp"

using namespace sluice;

namespace {

struct owned_record {
  record_view view;
  friend bool operator==(const owned_record& a, const owned_record& b) {
    return a.view.time == b.view.time && a.view.level == b.view.level && a.view.body == b.view.body &&
           a.view.attributes == b.view.attributes;
  }
};

void require_inside(std::string_view part, byte_view whole) {
  auto all = as_text(whole);
  FUZZ_REQUIRE(std::less_equal<>{}(all.data(), part.data()));
  FUZZ_REQUIRE(std::less_equal<>{}(part.data() + part.size(), all.data() + all.size()));
}

/// All records, or nothing if the payload is refused.
std::optional<std::vector<owned_record>> read_all(byte_view payload, std::uint32_t count) {
  auto reader = record_reader::open(payload, count);
  if (!reader) {
    FUZZ_REQUIRE(reader.error().code != errc::none && !reader.error().message.empty());
    return {};
  }
  std::vector<owned_record> records;
  std::size_t body_bytes = 0;
  std::size_t separators = 0;
  while (auto* record = reader->next()) {
    records.push_back({*record});
    require_inside(record->body, payload);
    body_bytes += record->body.size();
    separators += reader->is_lines() && record->terminated;
    FUZZ_REQUIRE(records.size() <= count);
    FUZZ_REQUIRE(body_bytes + separators <= reader->bodies().size());
    FUZZ_REQUIRE(record->attributes.size() <= payload_limits::max_attributes);
    for (const auto& [key, value] : record->attributes) {
      require_inside(key, payload);
      require_inside(value, payload);
    }
  }
  FUZZ_REQUIRE(reader->next() == nullptr);
  if (reader->failure())
    return {};
  FUZZ_REQUIRE(records.size() == count);
  FUZZ_REQUIRE(body_bytes + separators == reader->bodies().size());
  if (reader->is_lines())
    FUZZ_REQUIRE(count_lines(reader->bodies()) == count);
  return records;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  detail::byte_reader in{fuzz_input(data, size)};
  auto count = in.u32();
  auto records = read_all(in.rest(), count);
  if (!records)
    return 0;
  record_encoder encoder;
  for (const auto& record : *records)
    FUZZ_REQUIRE(encoder.append(record.view));
  auto payload = encoder.finish();
  auto again = read_all(payload.view(), count);
  FUZZ_REQUIRE(again && *again == *records);
  return 0;
}

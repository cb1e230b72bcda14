// Properties: what decodes encodes again to the same bytes; what does not says why. Input: a datagram, whose check is
// made right first.

#include <algorithm>

#include "messages/datagram.hpp"
#include "tests/fuzz/fuzz_support.hpp"

using namespace sluice;

namespace {

constexpr std::size_t check_offset = 56;

void fix_check(std::span<std::byte> bytes) {
  if (bytes.size() < datagram_limits::head_bytes)
    return;
  auto hash = detail::hash64(bytes.first(check_offset), bytes.subspan(datagram_limits::head_bytes));
  detail::store_le(bytes.data() + check_offset, static_cast<std::uint32_t>(hash));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)decode_datagram(fuzz_input(data, size));
  buffer bytes;
  bytes.append(fuzz_input(data, size));
  fix_check({bytes.data(), bytes.size()});
  auto found = decode_datagram(bytes.view());
  if (!found) {
    FUZZ_REQUIRE(!found.error().message.empty());
    return 0;
  }
  auto head = encode_datagram_head(found->head, found->payload);
  FUZZ_REQUIRE(std::ranges::equal(head, bytes.view().first(head.size())));
  FUZZ_REQUIRE(found->payload.size() + head.size() == bytes.size());
  return 0;
}

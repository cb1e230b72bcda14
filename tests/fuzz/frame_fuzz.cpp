// Property: what decodes as a frame encodes again to the same bytes. Input: the bytes of a frame, whose hashes are
// checked as they are and then once more after they were made right.

#include <algorithm>

#include "tests/fuzz/fuzz_support.hpp"

using namespace sluice;

namespace {

buffer copy_of(byte_view bytes) {
  buffer copy;
  copy.append(bytes);
  return copy;
}

void check(buffer bytes) {
  auto shared = share(std::move(bytes));
  auto decoded = frame::decode(shared);
  if (!decoded) {
    FUZZ_REQUIRE(decoded.error().code != errc::none && !decoded.error().message.empty());
    return;
  }
  FUZZ_REQUIRE(decoded->size() == shared->size());
  FUZZ_REQUIRE(decoded->header().frame_bytes() == shared->size());
  FUZZ_REQUIRE(decode_frame_header(shared->view()) == decoded->header());
  auto again = frame::encode(decoded->header(), decoded->payload());
  FUZZ_REQUIRE(again);
  FUZZ_REQUIRE(std::ranges::equal(again->bytes(), shared->view()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = fuzz_input(data, size);
  check(copy_of(input));
  auto fixed = copy_of(input);
  fix_frame_hashes({fixed.data(), fixed.size()});
  check(std::move(fixed));
  return 0;
}

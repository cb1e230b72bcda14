// Properties: no coding writes more than its bound.

#include "messages/ingest/inflate.hpp"
#include "tests/fuzz/fuzz_support.hpp"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t max_bytes = 100'000;
  for (auto coding : {content_coding::identity, content_coding::gzip, content_coding::zstd, content_coding::snappy})
    if (auto made = inflate(coding, fuzz_input(data, size), max_bytes))
      FUZZ_REQUIRE(made->size() <= max_bytes);
  return 0;
}

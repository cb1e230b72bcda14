#pragma once

#include <cstdio>
#include <cstdlib>

#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"
#include "messages/frame.hpp"

/// What the fuzz targets share.

/// Ends the run, so that the fuzzer keeps the input, if a property does not hold.
#define FUZZ_REQUIRE(condition)                                                                                        \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                              \
      std::abort();                                                                                                    \
    }                                                                                                                  \
  } while (false)

namespace sluice {

inline byte_view fuzz_input(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span{data, size});
}

/// Makes the hashes of what may be a frame right, since a fuzzer would not find its way past them. `bytes` may go on
/// behind the frame.
inline void fix_frame_hashes(std::span<std::byte> bytes) {
  auto extent = decode_frame_extent(bytes);
  if (!extent || bytes.size() < extent->header_bytes)
    return;
  auto header = bytes.first(extent->header_bytes);
  if (bytes.size() >= extent->frame_bytes())
    detail::store_le(header.data() + 104, detail::hash64(bytes.subspan(extent->header_bytes, extent->payload_bytes)));
  detail::store_le(header.data() + 120, detail::hash64(header.first(120), header.subspan(128)));
}

} // namespace sluice

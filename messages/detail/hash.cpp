#include "messages/detail/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sluice::detail {

std::uint64_t hash64(byte_view bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t hash64(byte_view first, byte_view second) noexcept {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, first.data(), first.size());
  if (!second.empty())
    XXH3_64bits_update(&state, second.data(), second.size());
  return XXH3_64bits_digest(&state);
}

} // namespace sluice::detail

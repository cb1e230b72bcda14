#pragma once

#include <cstdint>

#include "messages/buffer.hpp"

namespace sluice::detail {

/// XXH3-64 with seed 0.
std::uint64_t hash64(byte_view bytes) noexcept;

/// The same of `first` followed by `second`.
std::uint64_t hash64(byte_view first, byte_view second) noexcept;

} // namespace sluice::detail

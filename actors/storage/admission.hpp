#pragma once

#include "messages/errc.hpp"
#include "messages/frame.hpp"
#include "messages/stream.hpp"

namespace sluice {

/// What a store does with a frame that it does not refuse.
enum class verdict : std::uint8_t { store, duplicate };

/// Judges a frame by the newest stored point of its stream. It is stored if it is the next one: in the same epoch the
/// next sequence, in a greater epoch the first, and in both its position joins. It is a duplicate if its epoch is
/// the same and its sequence not greater. Errors: stale_epoch for an older epoch, else sequence_gap.
///
/// A pure function in a file of its own, so that tests can link another in its place and see that it is missed.
expected<verdict> judge(const stream_point& last, const frame_header& header);

} // namespace sluice

#pragma once

#include <optional>

#include "messages/frame.hpp"
#include "messages/stream.hpp"

/// What lets a stream change to a store that lacks what another one has acknowledged: it goes on here after a gap frame
/// that says so. Format: docs/specs/segment.md, "Streams stored elsewhere".

namespace sluice {

/// The end point of the gap frame that leads from `mine`, the newest point of a stream here, to `elsewhere`, what
/// another store has acknowledged; nothing if the stream has to go on at `mine`.
std::optional<stream_point> adopted_gap(const stream_point& mine, const stream_point& elsewhere);

/// The gap frame from `mine` to `end` that is stored before `next`, with which the stream goes on.
frame make_adopted_gap(const stream_point& mine, const stream_point& end, const frame_header& next);

} // namespace sluice

#pragma once

#include <optional>
#include <string_view>

#include "messages/frame.hpp"
#include "messages/stream.hpp"

/// The gap frames that a store makes itself, where it lacks frames that were acknowledged: they lie elsewhere, or are
/// lost. Positions join over them, sequence numbers need not. Format: docs/specs/segment.md, "Order within a stream".

namespace sluice {

/// The end point of the gap frame that leads from `from`, the newest point of a stream, to `to`, where its next frame
/// joins. `to` may be the beginning of an epoch, with sequence 0. Nothing if no frame can lead there.
std::optional<stream_point> gap_end(const stream_point& from, const stream_point& to);

/// The same for a stream that another store has acknowledged up to `elsewhere`; nothing if that is not more.
std::optional<stream_point> adopted_gap_end(const stream_point& mine, const stream_point& elsewhere);

/// A gap from `from` to `end`, as found by `gap_end`. `like` gives stream, labels and record count; `time` is its time.
frame make_gap(
  const frame_header& like, const stream_point& from, const stream_point& end, std::string_view reason, timestamp time);

} // namespace sluice

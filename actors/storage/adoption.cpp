#include "actors/storage/adoption.hpp"

#include <algorithm>

namespace sluice {

std::optional<stream_point> adopted_gap(const stream_point& mine, const stream_point& elsewhere) {
  if (elsewhere.position <= mine.position)
    return std::nullopt;
  if (elsewhere.sequence > 0)
    return elsewhere.epoch >= mine.epoch ? std::optional{elsewhere} : std::nullopt;
  // Nothing of this epoch is acknowledged yet; no frame has the number 0, but the older epoch may go on.
  stream_point end{std::max<std::uint64_t>(mine.epoch, 1), mine.sequence + 1, elsewhere.position};
  return elsewhere.epoch > end.epoch ? std::optional{end} : std::nullopt;
}

frame make_adopted_gap(const stream_point& mine, const stream_point& end, const frame_header& next) {
  frame_header header;
  header.kind = frame_kind::gap;
  header.stream = next.stream;
  header.epoch = end.epoch;
  header.sequence = end.sequence;
  header.record_count = 0;
  header.first_timestamp = header.last_timestamp = next.first_timestamp;
  header.position_begin = mine.position;
  header.position_end = end.position;
  header.labels = next.labels;
  return frame::encode(std::move(header), as_bytes(gap_reason::stored_elsewhere)).value();
}

} // namespace sluice

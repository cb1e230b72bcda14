#include "actors/storage/gap_frame.hpp"

#include <algorithm>

namespace sluice {

std::optional<stream_point> gap_end(const stream_point& from, const stream_point& to) {
  if (to.position < from.position)
    return std::nullopt;
  if (to.sequence > 0)
    return to.epoch >= from.epoch ? std::optional{to} : std::nullopt;
  // No frame has the number 0; but the older epoch may go on up to there.
  stream_point end{std::max<std::uint64_t>(from.epoch, 1), from.sequence + 1, to.position};
  return to.epoch > end.epoch ? std::optional{end} : std::nullopt;
}

std::optional<stream_point> adopted_gap_end(const stream_point& mine, const stream_point& elsewhere) {
  return elsewhere.position > mine.position ? gap_end(mine, elsewhere) : std::nullopt;
}

frame make_gap(const frame_header& like, const stream_point& from, const stream_point& end, std::string_view reason,
  timestamp time) {
  frame_header header;
  header.kind = frame_kind::gap;
  header.stream = like.stream;
  header.epoch = end.epoch;
  header.sequence = end.sequence;
  header.record_count = like.record_count;
  header.first_timestamp = header.last_timestamp = time;
  header.position_begin = from.position;
  header.position_end = end.position;
  header.labels = like.labels;
  return frame::encode(std::move(header), as_bytes(reason)).value();
}

} // namespace sluice

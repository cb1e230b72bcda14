#include "actors/storage/segment_rebuild.hpp"

#include <algorithm>
#include <limits>

#include "actors/storage/gap_frame.hpp"

namespace sluice {

expected<segment_rebuild> segment_rebuild::begin(
  file_system& files, const std::filesystem::path& where, segment_header header) {
  auto streams = header.streams;
  // Without marks, and synced as a whole by the footer.
  auto writer = segment_writer::create(files, where, std::move(header), durability::os);
  if (!writer)
    return fail(writer.error());
  segment_rebuild result{std::move(*writer)};
  for (const auto& entry : streams)
    result.streams_[entry.stream] = entry.last;
  return result;
}

expected<void> segment_rebuild::add(const frame& x) {
  const auto& header = x.header();
  stream_point joins{header.epoch, header.sequence - 1, header.position_begin};
  auto closed = close_gap(header.stream, joins, header.labels, header.first_timestamp);
  if (!closed)
    return fail(closed.error());
  if (!*closed) {
    ++lost_frames_;
    return {};
  }
  labels_[header.stream] = header.labels;
  ++kept_frames_;
  return append(x);
}

void segment_rebuild::lose(const frame_header& x) {
  labels_[x.stream] = x.labels;
  auto& loss = losses_[x.stream];
  ++loss.frames;
  loss.records += x.record_count;
  ++lost_frames_;
}

expected<void> segment_rebuild::catch_up(std::span<const stream_entry> points) {
  for (const auto& entry : points)
    if (auto ok = close_gap(entry.stream, entry.last, labels_[entry.stream], entry.stored); !ok)
      return fail(ok.error());
  return {};
}

expected<bool> segment_rebuild::close_gap(
  const stream_id& stream, const stream_point& joins, const label_set& labels, timestamp time) {
  const auto from = streams_[stream];
  auto begins_epoch = joins.sequence == 0 && joins.epoch > from.epoch && joins.position == from.position;
  if (joins == from || begins_epoch)
    return true;
  auto end = gap_end(from, joins);
  if (!end)
    return false;
  auto loss = std::exchange(losses_[stream], {});
  auto missing = end->epoch == from.epoch && end->sequence > from.sequence ? end->sequence - from.sequence : 1;
  lost_frames_ += missing - std::min(missing, loss.frames);
  frame_header like;
  like.stream = stream;
  like.labels = labels;
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  like.record_count = loss.frames == missing ? static_cast<std::uint32_t>(std::min(loss.records, most)) : 0;
  return append(make_gap(like, from, *end, gap_reason::damaged, time)).map([] { return true; });
}

expected<void> segment_rebuild::append(const frame& x) {
  const auto* one = &x;
  streams_[x.header().stream] = x.header().end_point();
  return writer_.append({&one, 1});
}

expected<void> segment_rebuild::finish() {
  return writer_.seal();
}

} // namespace sluice

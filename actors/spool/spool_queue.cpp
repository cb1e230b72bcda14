#include "actors/spool/spool_queue.hpp"

#include "actors/storage/gap_frame.hpp"

namespace sluice {

namespace {

/// How much is committed at once; more only if a single frame is larger.
constexpr std::size_t max_commit_bytes = 8 * 1024 * 1024;

} // namespace

spool_queue::commit spool_queue::take(const spool_log& log, bounds how, timestamp now) {
  commit made;
  for (std::size_t bytes = 0; !frames_.empty(); frames_.pop_front()) {
    auto& next = frames_.front();
    if (how.drop && !log.has_room(bytes + next.size()))
      made.dropped.add(drop(next, now));
    bytes += next.size();
    if ((how.are_kept && !log.has_room(bytes)) || (!made.frames.empty() && bytes > max_commit_bytes))
      break;
    made.frames.push_back(std::move(next));
  }
  return made;
}

/// Puts a gap in the place of a frame of records.
spool_content spool_queue::drop(frame& x, timestamp now) {
  auto& header = x.header();
  if (header.kind == frame_kind::gap)
    return {};
  spool_content gone{header.stored_records(), header.source_bytes()};
  auto gap = make_gap(header, {.position = header.position_begin}, header.end_point(), gap_reason::drop_newest, now);
  bytes_ -= x.size();
  bytes_ += gap.size();
  x = std::move(gap);
  return gone;
}

} // namespace sluice

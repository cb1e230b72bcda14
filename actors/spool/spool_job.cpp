#include "actors/spool/spool_job.hpp"

namespace sluice {

spool_outcome perform(spool_log& log, const spool_job& job, std::size_t window_bytes, timestamp now) {
  spool_outcome result;
  auto before = log.waiting();
  if (!job.frames.empty())
    result.answers = log.append(job.frames, now);
  result.written = log.waiting();
  result.written.remove(before);
  if (job.drops)
    result.dropped = log.drop_oldest(gap_reason::drop_oldest, now);
  if (job.reads)
    result.out = log.read(window_bytes);
  result.reclaimed = log.reclaim(now);
  return result;
}

} // namespace sluice

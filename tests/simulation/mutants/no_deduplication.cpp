#include "actors/storage/admission.hpp"

namespace sluice {

/// Stores again what is stored already.
expected<verdict> judge(const stream_point& last, const frame_header& header) {
  if (header.epoch < last.epoch)
    return fail(errc::stale_epoch, "stale");
  if (header.epoch == last.epoch && header.sequence <= last.sequence)
    return verdict::store;
  auto next = header.epoch == last.epoch ? last.sequence + 1 : 1;
  if (header.sequence != next || header.position_begin != last.position)
    return fail(errc::sequence_gap, "gap");
  return verdict::store;
}

} // namespace sluice

#include "actors/storage/admission.hpp"

#include <fmt/format.h>

namespace sluice {

namespace {

tl::unexpected<error> refuse(errc code, std::string_view why, const stream_point& last, const frame_header& header) {
  return fail(
    code, fmt::format("stream {}: frame {} of epoch {} at position {} {} frame {} of epoch {} up to position {}",
            to_string(header.stream), header.sequence, header.epoch, header.position_begin, why, last.sequence,
            last.epoch, last.position));
}

} // namespace

expected<verdict> judge(const stream_point& last, const frame_header& header) {
  if (header.epoch < last.epoch)
    return refuse(errc::stale_epoch, "is older than", last, header);
  auto is_same_epoch = header.epoch == last.epoch;
  if (is_same_epoch && header.sequence <= last.sequence)
    return verdict::duplicate;
  auto next = is_same_epoch ? last.sequence + 1 : 1;
  if (header.sequence != next || header.position_begin != last.position)
    return refuse(errc::sequence_gap, "does not follow", last, header);
  return verdict::store;
}

} // namespace sluice

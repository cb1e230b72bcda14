#include "actors/storage/retention.hpp"

#include "actors/storage/segment_reader.hpp"

namespace sluice {

expected<void> retention::apply(const active_segment& active, timestamp now) {
  if (limits_.age.count() == 0 && limits_.bytes == 0)
    return {};
  auto listed = list_segments(files_, folder_);
  if (!listed)
    return fail(listed.error());
  std::erase_if(*listed, [&](const segment_file& x) { return x.number >= active.number; });
  auto total = total_bytes(*listed);
  if (!total)
    return fail(total.error());
  auto kept = *total + active.bytes;
  for (std::span<const segment_file> sealed = *listed; !sealed.empty(); sealed = sealed.subspan(1)) {
    auto is_too_much = limits_.bytes > 0 && kept > limits_.bytes;
    if (!is_too_much && !is_old(sealed, active, now))
      break;
    auto bytes = bytes_of(sealed.front());
    auto removed = bytes.and_then([&](std::uint64_t) { return remove(sealed.front()); });
    if (!removed)
      return removed;
    kept -= *bytes;
  }
  return {};
}

expected<std::uint64_t> retention::bytes_of(const segment_file& segment) {
  auto& bytes = known_[segment.number].bytes;
  if (!bytes) {
    auto info = files_.info(segment.path);
    if (!info)
      return fail(info.error());
    bytes = info->size;
  }
  return *bytes;
}

expected<std::uint64_t> retention::total_bytes(std::span<const segment_file> sealed) {
  std::uint64_t total = 0;
  if (limits_.bytes == 0)
    return total;
  for (const auto& segment : sealed) {
    auto bytes = bytes_of(segment);
    if (!bytes)
      return bytes;
    total += *bytes;
  }
  return total;
}

/// All frames of a segment were stored before the next one was made. Where that one cannot be read, the one after it
/// tells: later, but surely.
bool retention::is_old(std::span<const segment_file> sealed, const active_segment& active, timestamp now) {
  if (limits_.age.count() == 0)
    return false;
  auto& sealed_at = known_[sealed.front().number].sealed_at;
  for (auto next = sealed.begin() + 1; !sealed_at && next != sealed.end(); ++next)
    if (auto header = read_segment_header(files_, next->path))
      sealed_at = header->created;
  return now - sealed_at.value_or(active.created) >= limits_.age;
}

expected<void> retention::remove(const segment_file& segment) {
  std::uint64_t records = 0;
  if (auto reader = segment_reader::open(files_, segment.path))
    records = reader->index().records;
  if (auto ok = files_.remove(segment.path); !ok)
    return ok;
  ++expired_.segments;
  expired_.records += records;
  expired_.bytes += *known_[segment.number].bytes;
  known_.erase(segment.number);
  return files_.sync_folder(folder_);
}

} // namespace sluice

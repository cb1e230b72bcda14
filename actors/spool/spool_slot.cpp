#include "actors/spool/spool_slot.hpp"

#include <fmt/format.h>

#include "actors/storage/segment_format.hpp"

namespace sluice {

namespace {

/// A spool whose frames were all acknowledged has no segments.
bool has_segments(file_system& files, const std::filesystem::path& folder) {
  auto found = list_segments(files, folder);
  return found && !found->empty();
}

expected<spool_slot> open(file_system& files, spool_slot slot, const spool_limits& limits, timestamp now) {
  auto opened = spool_log::open(files, slot.folder, limits, now);
  if (!opened)
    return fail(opened.error());
  slot.opened = std::move(*opened);
  return slot;
}

/// The first folder that no other process has and in which something was left; if there is none, the first that is
/// free, where `takes_empty`.
expected<spool_slot> claim_slot(file_system& files, const std::filesystem::path& state, bool takes_empty) {
  spool_slot taken;
  auto has_frames = false;
  for (int number = 1; number <= spool_slot::max_slots && !has_frames; ++number) {
    auto folder = state / (number == 1 ? "spool" : fmt::format("spool-{}", number));
    has_frames = has_segments(files, folder);
    if (!has_frames && (taken.claim || !takes_empty))
      continue;
    auto claim = files.lock(folder.string() + ".lock");
    if (claim)
      taken = {folder, std::move(*claim), nullptr};
    else if (claim.error().code == errc::locked)
      has_frames = false; // they belong to a process that ships them
    else
      return fail(claim.error());
  }
  return taken;
}

} // namespace

expected<spool_slot> take_spool_slot(
  file_system& files, const std::filesystem::path& state, const spool_limits& limits, timestamp now) {
  auto taken = claim_slot(files, state, true);
  if (!taken)
    return taken;
  if (!taken->claim)
    return fail(errc::locked,
      fmt::format("{}: all {} spools there are in use, by processes or by listeners that are still being shipped; end "
                  "one, wait until a receiver has taken what they hold, or use another folder",
        state.string(), spool_slot::max_slots));
  return open(files, std::move(*taken), limits, now);
}

expected<std::optional<spool_slot>> take_left_spool(
  file_system& files, const std::filesystem::path& state, const spool_limits& limits, timestamp now) {
  auto taken = claim_slot(files, state, false);
  if (!taken)
    return fail(taken.error());
  if (!taken->claim)
    return std::nullopt;
  return open(files, std::move(*taken), limits, now);
}

} // namespace sluice

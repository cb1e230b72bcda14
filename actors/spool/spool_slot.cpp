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

} // namespace

expected<spool_slot> take_spool_slot(
  file_system& files, const std::filesystem::path& state, const spool_limits& limits, timestamp now) {
  spool_slot taken;
  auto has_frames = false;
  for (int number = 1; number <= spool_slot::max_slots && !has_frames; ++number) {
    auto folder = state / (number == 1 ? "spool" : fmt::format("spool-{}", number));
    has_frames = has_segments(files, folder);
    if (taken.claim && !has_frames)
      continue;
    auto claim = files.lock(folder.string() + ".lock");
    if (claim)
      taken = {folder, std::move(*claim), nullptr};
    else if (claim.error().code == errc::locked)
      has_frames = false; // they belong to a process that ships them
    else
      return fail(claim.error());
  }
  if (!taken.claim)
    return fail(errc::locked, fmt::format("{}: {} processes have their spools there, which is the limit; stop one, or "
                                          "name another folder with --state",
                                state.string(), spool_slot::max_slots));
  auto opened = spool_log::open(files, taken.folder, limits, now);
  if (!opened)
    return fail(opened.error());
  taken.opened = std::move(*opened);
  return taken;
}

} // namespace sluice

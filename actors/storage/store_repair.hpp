#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "messages/errc.hpp"
#include "messages/stream.hpp"
#include "transport/file_system.hpp"

namespace sluice {

struct repair_result {
  std::uint64_t segments = 0;
  std::uint64_t repaired = 0;    ///< Segments written anew.
  std::uint64_t lost_frames = 0; ///< At least so many.
  std::uint64_t lost_bytes = 0;  ///< Of which nothing else is known.

  bool is_whole() const noexcept { return lost_frames == 0 && lost_bytes == 0; }
};

/// Makes a store whole again as far as it goes. Segments that are as they should be are left alone. Of the others all
/// whole frames are written to a new segment, sealed, with gap frames where acknowledged frames are lost; the damaged
/// file is kept beside it as `.broken`. A torn end of the newest segment is left to the next start. `tell` is given a
/// line for each file. Errors: locked, storage_full (a damaged segment takes twice its size for a while), those of the
/// file system; what was not finished then can be done again.
expected<repair_result> repair_store(file_system& files, const std::filesystem::path& folder, timestamp now,
  const std::function<void(const std::string&)>& tell);

} // namespace sluice

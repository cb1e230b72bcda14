#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/storage/segment_reader.hpp"
#include "transport/file_system.hpp"

/// Looks at a store without changing it, also while a writer appends to it.

namespace sluice {

struct segment_summary {
  std::uint64_t number = 0;
  bool is_sealed = false;
  timestamp created;
  std::uint64_t frames = 0;
  std::uint64_t records = 0;
  std::uint64_t gaps = 0;
  std::uint64_t gap_records = 0;   ///< Dropped, as far as the gaps know.
  std::uint64_t stored_bytes = 0;  ///< Size of the file.
  std::uint64_t decoded_bytes = 0; ///< Of the payloads.
  std::size_t streams = 0;
  std::optional<timestamp> first_timestamp; ///< Of records; none without frames.
  std::optional<timestamp> last_timestamp;
};

struct stream_summary {
  stream_id stream;
  stream_point last;
  label_set labels; ///< Of its newest frame that is still there.
};

struct store_summary {
  std::vector<segment_summary> segments;
  std::vector<stream_summary> streams;
  segment_summary total;       ///< `number` counts the segments.
  std::vector<damage> damages; ///< Met on the way; `verify_store` looks closer.
};

/// Reads headers and footers, and frame headers where there is no footer. Errors: those of the file system for the
/// folder.
expected<store_summary> inspect_store(file_system& files, const std::filesystem::path& folder);

/// For people, and for programs.
std::string to_table(const store_summary& summary);
std::string to_json(const store_summary& summary);

struct verify_result {
  std::uint64_t segments = 0;
  std::uint64_t frames = 0;
  std::uint64_t records = 0; ///< In whole frames.
  std::uint64_t gaps = 0;
  std::uint64_t gap_records = 0;     ///< Dropped, as far as the gaps know.
  std::uint64_t damaged_records = 0; ///< In frames that cannot be read, as far as the index knows of them.
  std::uint64_t problems = 0;
  /// What follows the last whole frame of the active segment: a commit that is under way, or was torn by a crash and
  /// will be cut at the next start. Not a problem.
  std::optional<damage> tail;
};

/// Reads everything: headers, marks, payloads and all records; checks that the frames of each stream follow each other
/// and that footers and headers agree with the frames. Errors: those of the file system for the folder.
expected<verify_result> verify_store(
  file_system& files, const std::filesystem::path& folder, const std::function<void(const damage&)>& on_problem);

} // namespace sluice

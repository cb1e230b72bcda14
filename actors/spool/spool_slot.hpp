#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "actors/spool/spool_log.hpp"

namespace sluice {

/// One of the spools that the processes of an agent may have at a time.
struct spool_slot {
  /// Each listener of a relay has one. A reload may replace all of them, and the last one's are still on their way out.
  static constexpr int max_listeners = 16;
  static constexpr int max_slots = 3 * max_listeners;

  std::filesystem::path folder;
  std::shared_ptr<file_lock> claim; ///< Keeps other processes away, also while the folder is not open.
  std::unique_ptr<spool_log> opened;
};

/// Takes one of the folders `spool`, `spool-2`, ... in `state`: the first that no other process has and in which an
/// earlier one has left something; if there is none, the first that no other process has. Errors: locked if all are
/// taken, those of `spool_log::open`.
expected<spool_slot> take_spool_slot(
  file_system& files, const std::filesystem::path& state, const spool_limits& limits, timestamp now);

/// Takes the first of them in which an earlier process has left something and that nobody else has, if there is one.
/// Errors: those of `spool_log::open`.
expected<std::optional<spool_slot>> take_left_spool(
  file_system& files, const std::filesystem::path& state, const spool_limits& limits, timestamp now);

} // namespace sluice

#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <unordered_set>

#include "actors/storage/segment_reader.hpp"

namespace sluice {

/// Takes out of a damaged segment what is whole: by its footer, if that is good, and else by going from frame to frame.
/// Where one is broken it goes on at the first place from which whole frames lead to the next mark exactly, so that
/// what only looks like a frame, in the middle of records, is not taken for one. Not thread-safe.
class segment_salvage {
public:
  struct visitor {
    /// A whole frame, in stored order.
    std::function<expected<void>(const frame&)> on_frame;
    /// A frame of which only this is known: it is in the index, or its header is whole.
    std::function<void(const frame_header&)> on_lost_frame;
    /// Bytes between frames of which nothing is known.
    std::function<void(std::uint64_t bytes)> on_lost_bytes;
  };

  /// Errors: those of the file system.
  static expected<segment_salvage> open(file_system& files, const std::filesystem::path& where);

  /// Nothing if it is not whole.
  const std::optional<segment_header>& header() const noexcept { return header_; }

  /// Goes through the segment. If it `may_be_torn`, as only the newest of a store, it ends at the first failure that no
  /// mark follows: what stands behind was not acknowledged. Errors: those of the file system and of `on_frame`.
  expected<void> run(const visitor& to, bool may_be_torn);

private:
  explicit segment_salvage(opened_segment opened) : file_(std::move(opened)) {}

  expected<void> run_index(const visitor& to);
  expected<void> run_scan(const visitor& to, bool may_be_torn);
  expected<std::optional<frame_header>> header_at(std::uint64_t offset) const;
  expected<bool> is_mark_at(std::uint64_t offset) const;
  expected<std::uint64_t> find(std::string_view magic, std::uint64_t from, std::uint64_t end) const;
  expected<std::uint64_t> next_mark(std::uint64_t from) const;
  expected<std::uint64_t> resume_point(std::uint64_t from, std::uint64_t end);
  expected<bool> leads_to(std::uint64_t from, std::uint64_t end);

  opened_segment file_;
  std::optional<segment_header> header_;
  std::optional<segment_index> index_;
  std::unordered_set<std::uint64_t> dead_ends_; ///< Places from which frames do not lead to the next mark.
};

} // namespace sluice

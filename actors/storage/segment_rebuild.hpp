#pragma once

#include <filesystem>
#include <span>

#include "actors/storage/segment_writer.hpp"
#include "actors/storage/store_verification.hpp"

namespace sluice {

/// Writes a segment anew out of the frames that are left of it, with gap frames where a stream lacks some. Not
/// thread-safe.
class segment_rebuild {
public:
  /// Begins the file `where`. `header.streams` says where the streams stand before it.
  static expected<segment_rebuild> begin(file_system& files, const std::filesystem::path& where, segment_header header);

  /// Adds a frame, behind a gap if it does not follow. One that cannot belong here counts as lost.
  expected<void> add(const frame& x);

  /// A frame that cannot be had. It is part of a gap once its stream goes on, and else left to be shipped again.
  void lose(const frame_header& x);

  /// Adds gaps so that the streams stand where `points` says.
  expected<void> catch_up(std::span<const stream_entry> points);

  /// Makes it durable as a sealed segment.
  expected<void> finish();

  const stream_points& streams() const noexcept { return streams_; }
  std::uint64_t kept_frames() const noexcept { return kept_frames_; }

  /// At least so many.
  std::uint64_t lost_frames() const noexcept { return lost_frames_; }

private:
  /// What is known to be lost of a stream since its last frame or gap.
  struct known_loss {
    std::uint64_t frames = 0;
    std::uint64_t records = 0;
  };

  explicit segment_rebuild(segment_writer writer) : writer_(std::move(writer)) {}

  /// Adds a gap up to where a frame with these labels joins, unless it does already. False if no gap leads there.
  expected<bool> close_gap(const stream_id& stream, const stream_point& joins, const label_set& labels, timestamp time);
  expected<void> append(const frame& x);

  segment_writer writer_;
  stream_points streams_;
  std::unordered_map<stream_id, label_set> labels_; ///< Of the last frame seen.
  std::unordered_map<stream_id, known_loss> losses_;
  std::uint64_t kept_frames_ = 0;
  std::uint64_t lost_frames_ = 0;
};

} // namespace sluice

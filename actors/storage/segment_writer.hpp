#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "actors/storage/segment_index.hpp"
#include "actors/storage/segment_reader.hpp"

namespace sluice {

/// When what was written counts as stored.
enum class durability : std::uint8_t {
  fsync,  ///< Once the disk has it: survives a power failure.
  os,     ///< Once the kernel has it: survives the death of the process.
  memory, ///< Likewise, and not even a full segment is synced.
};

std::string_view to_string(durability level) noexcept;

/// Errors: invalid_argument, saying what is accepted.
expected<durability> parse_durability(std::string_view text);

/// Makes what stands in a file durable by writing it again: after a sync that failed, perhaps in an earlier process,
/// the system may keep it in memory and take it for written, so that another sync alone does nothing.
expected<void> write_again(file& target, std::uint64_t begin, std::uint64_t end);

/// Appends to one active segment. After a failed call the file is cut back to what was good before; as long as that
/// does not succeed, every further call fails. Not thread-safe.
class segment_writer {
public:
  /// Makes the file, durable before a frame goes into it.
  static expected<segment_writer> create(
    file_system& files, const std::filesystem::path& where, segment_header header, durability level);

  /// Goes on with a segment that was read: cuts what follows `found.end`, and makes durable what stands before.
  static expected<segment_writer> resume(file_system& files, const std::filesystem::path& where, segment_header header,
    segment_scan found, durability level);

  /// Writes all of `frames` and makes them as durable as the level says, or none of them.
  expected<void> append(std::span<const frame* const> frames);

  /// Writes the footer; nothing can be appended behind it.
  expected<void> seal();

  /// Ends orderly without a footer: what was written is synced (unless `memory`) and marked as durable (`fsync`).
  expected<void> close();

  const std::filesystem::path& path() const noexcept { return path_; }
  const segment_header& header() const noexcept { return header_; }
  const segment_index& index() const noexcept { return frames_.index(); }

  /// Size of the file, but for what a failed call has left.
  std::uint64_t bytes() const noexcept { return end_; }

  /// Size of the body: frames and marks.
  std::uint64_t body_bytes() const noexcept { return end_ - header_.encoded_bytes(); }
  bool has_frames() const noexcept { return !index().frames.empty(); }
  std::uint64_t syncs() const noexcept { return syncs_; }

private:
  segment_writer(std::unique_ptr<file> to, std::filesystem::path where, segment_header header, segment_marks marks,
    durability level);

  expected<void> write(std::span<const byte_view> parts, bool synced);
  expected<void> sync();
  expected<void> cut_back();

  std::unique_ptr<file> file_;
  std::filesystem::path path_;
  segment_header header_;
  segment_marks marks_;
  durability durability_;
  segment_index_builder frames_;
  std::uint64_t end_ = 0;
  std::uint64_t syncs_ = 0;
  bool has_rest_ = false; ///< Bytes behind `end_` that a failed call has left.
};

} // namespace sluice

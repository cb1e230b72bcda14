#pragma once

#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/storage/opened_segment.hpp"
#include "actors/storage/segment_format.hpp"

namespace sluice {

/// A place where a file is not as it was written.
struct damage {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  error reason;
};

/// `FILE:OFFSET: reason`.
std::string to_string(const damage& where);

/// What reading a segment's body from its beginning has found.
struct segment_scan {
  segment_index_builder frames;
  std::uint64_t end = 0;             ///< Behind the last whole frame or mark.
  std::optional<std::uint64_t> mark; ///< Offset of the last mark.
  std::vector<damage> damages;       ///< Failures that a mark follows: corruption, passed over.
  std::optional<error> tail;         ///< Why what follows `end` was not taken.
};

/// Whether it is the file system that failed, and not what the file holds that is wrong.
bool is_file_error(errc code) noexcept;

/// Reads the header of a segment alone. Errors as `segment_reader::open`.
expected<segment_header> read_segment_header(file_system& files, const std::filesystem::path& where);

/// Reads one segment, also while a writer appends to it: sees what was there when it was opened. Takes no lock and
/// writes nothing. Not thread-safe.
class segment_reader {
public:
  /// Reads the header and the footer, or where there is no valid footer the headers of all frames. Errors: those of
  /// the file system, and of `decode_segment_header`, with the path.
  static expected<segment_reader> open(file_system& files, const std::filesystem::path& where);

  const std::filesystem::path& path() const noexcept { return path_; }
  const segment_header& header() const noexcept { return header_; }
  const segment_index& index() const noexcept { return sealed_ ? *sealed_ : scan_.frames.index(); }
  bool is_sealed() const noexcept { return sealed_.has_value(); }

  /// Size of the file when it was opened.
  std::uint64_t file_bytes() const noexcept { return file_.size(); }

  /// Where the body ends: at the footer, or behind the last whole frame or mark.
  std::uint64_t body_end() const noexcept { return body_end_; }

  /// What was found on the way to the index; empty for a sealed segment, whose frames were not looked at.
  const segment_scan& found() const noexcept { return scan_; }

  /// Reads the body's headers, up to `limit` at most, whether sealed or not. Errors: those of the file system.
  expected<segment_scan> scan(std::uint64_t limit = std::numeric_limits<std::uint64_t>::max()) const;

  /// Reads and checks one frame. Errors: those of `frame::decode` and of the file system, without path and offset.
  expected<frame> load(const frame_entry& entry) const;

  /// Whether a frame that does not load is corrupt, rather than the torn or unfinished end of an active segment.
  bool is_settled(const frame_entry& entry) const noexcept;

  /// `reason` at `offset` of this file.
  damage at(std::uint64_t offset, error reason) const { return {path_, offset, std::move(reason)}; }

private:
  friend expected<segment_header> read_segment_header(file_system& files, const std::filesystem::path& where);

  segment_reader(opened_segment from, std::filesystem::path where) : file_(std::move(from)), path_(std::move(where)) {}

  /// Opens the file and reads its header.
  static expected<segment_reader> begin(file_system& files, const std::filesystem::path& where);

  expected<void> read_header();
  expected<void> read_footer();
  expected<frame_header> read_frame_header(std::uint64_t offset, byte_view begin) const;
  expected<std::optional<std::uint64_t>> find_mark(std::uint64_t from) const;

  opened_segment file_;
  std::filesystem::path path_;
  std::uint64_t body_end_ = 0;
  segment_header header_;
  std::optional<segment_marks> marks_;
  std::optional<segment_index> sealed_;
  segment_scan scan_;
};

} // namespace sluice

#pragma once

#include <filesystem>
#include <memory>

#include "actors/storage/segment_index.hpp"
#include "transport/file_system.hpp"

namespace sluice {

/// The file of a segment, as long as it was when it was opened. Not thread-safe.
class opened_segment {
public:
  /// Errors: those of the file system.
  static expected<opened_segment> open(file_system& files, const std::filesystem::path& where);

  std::uint64_t size() const noexcept { return size_; }

  /// All `count` bytes from `offset` on. Errors: truncated, and those of the file system.
  expected<buffer> read(std::uint64_t offset, std::size_t count) const;

  struct footer {
    std::uint64_t offset = 0; ///< Where it begins.
    segment_index index;
  };

  /// Errors: those of `decode_footer_offset`, of `decode_footer` and of the file system.
  expected<footer> read_footer() const;

private:
  opened_segment(std::unique_ptr<file> opened, std::uint64_t size) : file_(std::move(opened)), size_(size) {}

  std::unique_ptr<file> file_;
  std::uint64_t size_;
};

} // namespace sluice

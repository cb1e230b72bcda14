#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "actors/storage/segment_reader.hpp"
#include "messages/frame.hpp"
#include "transport/file_system.hpp"

namespace sluice {

class store;

/// Where a spool's frames are read: an entry of a segment, which may be the active one. Holds one index at most.
/// Not thread-safe; what returns an `expected` blocks on the disk.
class spool_cursor {
public:
  /// `written` is the store in `folder`; both must outlive this object.
  spool_cursor(file_system& files, const std::filesystem::path& folder, const store& written)
    : files_(files), folder_(folder), store_(written) {}

  std::uint64_t segment() const noexcept { return segment_; }

  /// To the first entry of a segment.
  void go_to(std::uint64_t segment);

  void advance() noexcept { ++entry_; }

  /// Of the segment; valid until the cursor goes on or the store is written to.
  expected<const segment_index*> index();

  /// Bytes of the segment's file, once `index` has read it; 0 for the active one.
  std::uint64_t sealed_bytes() const { return sealed_ ? sealed_->file_bytes() : 0; }

  /// The entry to be looked at, if necessary in a later segment; nullptr behind the last one of `newest_segment`.
  expected<const frame_entry*> next(std::uint64_t newest_segment);

  /// The frame of an entry of the segment.
  expected<frame> load(const frame_entry& entry);

private:
  std::filesystem::path path() const;

  file_system& files_;
  const std::filesystem::path& folder_;
  const store& store_;
  std::uint64_t segment_ = 0;
  std::size_t entry_ = 0;
  std::optional<segment_reader> sealed_; ///< For its index, if the segment is not active.
  std::unique_ptr<file> file_;
};

} // namespace sluice

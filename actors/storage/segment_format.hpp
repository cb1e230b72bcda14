#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "messages/stream.hpp"
#include "transport/file_system.hpp"

/// Names, header and marks of segment files. Format: docs/specs/segment.md. The footer: segment_index.hpp.

namespace sluice {

namespace segment_limits {
inline constexpr std::size_t fixed_header_bytes = 32;
inline constexpr std::size_t stream_entry_bytes = 64;
inline constexpr std::size_t hash_bytes = 8;
inline constexpr std::size_t max_streams = 1'048'576;
inline constexpr std::size_t mark_bytes = 24;
} // namespace segment_limits

/// The newest durable point of a stream and when it was stored.
struct stream_entry {
  stream_id stream;
  stream_point last;
  timestamp stored;

  friend bool operator==(const stream_entry&, const stream_entry&) = default;
};

/// What a segment begins with.
struct segment_header {
  std::uint64_t number = 0;
  timestamp created;
  std::vector<stream_entry> streams; ///< All that were known when the segment was made.

  std::size_t encoded_bytes() const noexcept;
  friend bool operator==(const segment_header&, const segment_header&) = default;
};

buffer encode_segment_header(const segment_header& header);

/// Size of the whole header, from its first `fixed_header_bytes`. Errors: truncated, bad_magic, unsupported_version,
/// too_large.
expected<std::size_t> decode_segment_header_size(byte_view bytes);

/// Decodes and checks a header that fills `bytes`. Errors: those of `decode_segment_header_size`, bad_checksum,
/// malformed.
expected<segment_header> decode_segment_header(byte_view bytes);

/// Makes and recognises the marks of one segment.
class segment_marks {
public:
  /// `header` is the segment's, encoded; its hash ties the marks to the segment.
  explicit segment_marks(byte_view header);

  buffer encode(std::uint64_t offset) const;

  /// Whether `bytes` begins with the mark that belongs at `offset`.
  bool is_mark(byte_view bytes, std::uint64_t offset) const noexcept;

  /// Whether `bytes` begins like any mark.
  static bool looks_like_mark(byte_view bytes) noexcept;

  /// Where the first valid mark in `bytes` stands, which were read at `offset`; its size if there is none.
  std::size_t find(byte_view bytes, std::uint64_t offset) const noexcept;

private:
  buffer salt_;
};

/// A segment file in a store folder.
struct segment_file {
  std::uint64_t number = 0;
  std::filesystem::path path;
};

std::string segment_name(std::uint64_t number);

/// The segments of a store in ascending order. Other names in the folder are passed over.
expected<std::vector<segment_file>> list_segments(file_system& files, const std::filesystem::path& folder);

/// The same of a folder that is to be a store already. Error: malformed if it has neither segments nor an identity.
expected<std::vector<segment_file>> list_segments_of_store(file_system& files, const std::filesystem::path& folder);

} // namespace sluice

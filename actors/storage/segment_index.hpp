#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "messages/frame.hpp"

/// What a segment holds, frame by frame: built while frames are appended or scanned, stored as the footer of a sealed
/// segment. Format: docs/specs/segment.md, "Footer".

namespace sluice {

namespace segment_limits {
inline constexpr std::size_t index_entry_bytes = 80;
inline constexpr std::size_t trailer_bytes = 56;
} // namespace segment_limits

/// One frame in a segment.
struct frame_entry {
  std::uint64_t offset = 0; ///< In the file.
  std::uint32_t header_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t record_count = 0; ///< Of a gap: records dropped.
  frame_kind kind = frame_kind::records;
  std::uint32_t labels = 0; ///< Index into `segment_index::label_sets`.
  std::uint32_t stream = 0; ///< Index into `segment_index::streams`.
  stream_point last;        ///< The point that is durable with this frame.
  std::uint64_t position_begin = 0;
  timestamp first_timestamp;
  timestamp last_timestamp;

  std::uint64_t frame_bytes() const noexcept { return std::uint64_t{header_bytes} + payload_bytes; }
  std::uint64_t end() const noexcept { return offset + frame_bytes(); }
  friend bool operator==(const frame_entry&, const frame_entry&) = default;
};

struct segment_index {
  std::vector<frame_entry> frames;
  std::vector<stream_id> streams;
  std::vector<label_set> label_sets;
  std::uint64_t records = 0;
  std::uint64_t decoded_bytes = 0;

  friend bool operator==(const segment_index&, const segment_index&) = default;
};

/// Collects the index of one segment. Not thread-safe.
class segment_index_builder {
public:
  void add(const frame_header& header, std::uint64_t offset);
  const segment_index& index() const noexcept { return index_; }

private:
  struct stream_numbers {
    std::uint32_t stream = 0;
    std::uint32_t labels = 0;
  };

  std::uint32_t number_of(const label_set& labels);

  segment_index index_;
  std::unordered_map<stream_id, stream_numbers> streams_;
  std::unordered_map<std::string, std::uint32_t> label_sets_;
};

/// The footer, trailer included, of a segment whose frames end at `footer_offset`.
buffer encode_footer(const segment_index& index, std::uint64_t footer_offset);

/// Where the footer begins, from the last `trailer_bytes` of a file of `file_bytes`. Error bad_magic where there is
/// no trailer, too_large and malformed where it cannot be right.
expected<std::uint64_t> decode_footer_offset(byte_view trailer, std::uint64_t file_bytes);

/// Decodes and checks a footer that fills `bytes` and begins at `footer_offset`. Errors: bad_magic, bad_checksum,
/// malformed, truncated.
expected<segment_index> decode_footer(byte_view bytes, std::uint64_t footer_offset);

} // namespace sluice

#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "messages/inspect_block.hpp"
#include "messages/label_set.hpp"
#include "messages/stream.hpp"

/// The frame: one compressed batch, the unit on the wire and in segment files. Format: docs/specs/frame.md.

namespace sluice {

/// How a frame's payload is compressed. Numbers are those of the format; others may come from newer producers.
enum class codec : std::uint8_t { none = 0, zstd = 1 };

/// What a frame stands for.
enum class frame_kind : std::uint8_t {
  records = 0, ///< The records in its payload.
  gap = 1,     ///< Records that were dropped; its payload is the reason.
};

namespace frame_limits {
inline constexpr std::size_t fixed_header_bytes = 128;
inline constexpr std::size_t max_header_bytes = 16 * 1024;
inline constexpr std::size_t extent_bytes = 16; ///< What `decode_frame_extent` needs.
inline constexpr std::size_t max_payload_bytes = 64 * 1024 * 1024;
inline constexpr std::size_t max_decoded_bytes = 64 * 1024 * 1024;
inline constexpr std::size_t max_reason_bytes = 64; ///< Of a gap.
inline constexpr std::size_t min_frame_bytes = fixed_header_bytes + 1;
inline constexpr std::size_t max_frame_bytes = max_header_bytes + max_payload_bytes;
} // namespace frame_limits

struct frame_header {
  frame_kind kind = frame_kind::records;
  codec compression = codec::none;
  std::uint32_t header_bytes = 0;  ///< Set by the codec functions below.
  std::uint32_t payload_bytes = 0; ///< Set by the codec functions below.
  std::uint32_t decoded_bytes = 0; ///< Size of the payload decompressed.
  stream_id stream;
  std::uint64_t epoch = 1;
  std::uint64_t sequence = 1;
  std::uint32_t record_count = 1; ///< Of a gap: records dropped, 0 if unknown.
  timestamp first_timestamp;
  timestamp last_timestamp;
  std::uint64_t position_begin = 0;
  std::uint64_t position_end = 0;
  std::uint64_t payload_hash = 0; ///< Set by the codec functions below.
  label_set labels;

  /// The point in the stream that is durable once this frame is.
  stream_point end_point() const noexcept { return {epoch, sequence, position_end}; }

  std::size_t frame_bytes() const noexcept { return std::size_t{header_bytes} + payload_bytes; }

  /// Records that the frame holds: what every ledger, summary and counter goes by.
  std::uint32_t stored_records() const noexcept { return kind == frame_kind::records ? record_count : 0; }

  /// Bytes of the source that these records come from.
  std::uint64_t source_bytes() const noexcept {
    return kind == frame_kind::records ? position_end - position_begin : 0;
  }

  friend bool operator==(const frame_header&, const frame_header&) = default;
};

/// The lengths at the head of a frame, bounds checked.
struct frame_extent {
  std::uint32_t header_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::size_t frame_bytes() const noexcept { return std::size_t{header_bytes} + payload_bytes; }
};

/// Reads magic, version and lengths from the first `frame_limits::extent_bytes` at least. Errors: truncated, bad_magic,
/// unsupported_version, too_large, malformed.
expected<frame_extent> decode_frame_extent(byte_view bytes);

/// Decodes and checks a whole header; `bytes` holds at least the header. Errors: those of `decode_frame_extent`,
/// bad_checksum, malformed.
expected<frame_header> decode_frame_header(byte_view bytes);

/// Why records are missing, as docs/specs/frame.md says.
namespace gap_reason {
inline constexpr std::string_view drop_newest = "drop_newest";
inline constexpr std::string_view drop_oldest = "drop_oldest";
inline constexpr std::string_view shed_by_severity = "shed_by_severity";
inline constexpr std::string_view truncated = "truncated";
inline constexpr std::string_view removed = "removed";
inline constexpr std::string_view stored_elsewhere = "stored_elsewhere";
inline constexpr std::string_view damaged = "damaged";
inline constexpr std::string_view filtered = "filtered";
inline constexpr std::string_view sampled = "sampled";
} // namespace gap_reason

/// Whether `text` can be a gap's reason.
bool is_gap_reason(std::string_view text) noexcept;

/// A checked frame: its header and the bytes it came in, shared and immutable. Cheap to copy, safe to share.
class frame {
public:
  frame() = default;

  /// Makes a frame. `header` gives everything but the lengths and hashes; `payload` is compressed as it says, and
  /// `decoded_bytes` is taken from it if the codec is none. That of a gap is its reason.
  /// Fails with too_large or invalid_argument if a bound of the format is broken.
  static expected<frame> encode(frame_header header, byte_view payload);

  /// Checks all of `bytes`, which must hold exactly one frame, payload hash included.
  static expected<frame> decode(shared_buffer bytes);

  const frame_header& header() const noexcept { return header_; }
  byte_view bytes() const noexcept { return bytes_ ? bytes_->view() : byte_view{}; }
  byte_view payload() const noexcept { return bytes().subspan(header_.header_bytes); }
  std::size_t size() const noexcept { return bytes().size(); }

  template <class Inspector>
  friend bool inspect(Inspector& f, frame& x) {
    if (!inspect_block(f, x.bytes_, frame_limits::max_frame_bytes))
      return false;
    if constexpr (Inspector::is_loading) {
      auto decoded = frame::decode(std::move(x.bytes_));
      if (!decoded)
        return false;
      x = std::move(*decoded);
    }
    return true;
  }

private:
  frame_header header_;
  shared_buffer bytes_;
};

} // namespace sluice

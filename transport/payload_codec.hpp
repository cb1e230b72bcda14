#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "messages/frame.hpp"

namespace sluice {

/// How to compress: `none`, `zstd` or `zstd:LEVEL`.
struct compression {
  codec method = codec::zstd;
  int level = 1; ///< 1 to 19; only for zstd.

  friend bool operator==(const compression&, const compression&) = default;
};

/// Errors: invalid_argument, saying what is accepted.
expected<compression> parse_compression(std::string_view text);

/// Makes frames out of encoded batches. Keeps its compression context and scratch space from one to the next. Not
/// thread-safe.
class payload_compressor {
public:
  explicit payload_compressor(compression how);
  ~payload_compressor();
  payload_compressor(payload_compressor&&) noexcept;

  /// Compresses `payload` and completes `header`. A payload that does not shrink is stored uncompressed.
  expected<frame> compress(frame_header header, byte_view payload);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Gets payloads back. Never writes more than the header's decoded_bytes, whatever the payload claims. Not thread-safe.
class payload_decompressor {
public:
  payload_decompressor();
  ~payload_decompressor();
  payload_decompressor(payload_decompressor&&) noexcept;

  /// The decompressed payload, valid until the next call. Errors: unknown_codec, decompression_failed.
  expected<byte_view> decompress(const frame_header& header, byte_view payload);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace sluice

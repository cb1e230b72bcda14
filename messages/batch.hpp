#pragma once

#include <memory>

#include "messages/buffer.hpp"
#include "messages/frame.hpp"

namespace sluice {

/// Records of one stream, encoded (messages/record_codec.hpp) but not compressed, or a gap: what the batcher hands to
/// the compressor. `header` is complete but for codec, lengths and hashes. Cheap to copy; the payload is shared.
struct batch {
  frame_header header;
  std::shared_ptr<const buffer> payload;

  template <class Inspector>
  friend bool inspect(Inspector& f, batch& x) {
    return inspect(f, x.header) && inspect_block(f, x.payload, frame_limits::max_decoded_bytes);
  }
};

template <class Inspector>
bool inspect(Inspector& f, frame_header& x) {
  auto get_codec = [&x] { return static_cast<std::uint8_t>(x.compression); };
  auto set_codec = [&x](std::uint8_t value) {
    x.compression = static_cast<codec>(value);
    return true;
  };
  auto get_kind = [&x] { return static_cast<std::uint8_t>(x.kind); };
  auto set_kind = [&x](std::uint8_t value) {
    x.kind = static_cast<frame_kind>(value);
    return true;
  };
  return f.object(x).fields(f.field("kind", get_kind, set_kind), f.field("codec", get_codec, set_codec),
    f.field("decoded_bytes", x.decoded_bytes), f.field("stream", x.stream), f.field("epoch", x.epoch),
    f.field("sequence", x.sequence), f.field("record_count", x.record_count),
    f.field("first_timestamp", x.first_timestamp), f.field("last_timestamp", x.last_timestamp),
    f.field("position_begin", x.position_begin), f.field("position_end", x.position_end), f.field("labels", x.labels));
}

} // namespace sluice

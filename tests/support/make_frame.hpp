#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "messages/frame.hpp"
#include "messages/record_codec.hpp"

namespace sluice::test {

inline timestamp at_seconds(std::int64_t seconds) {
  return timestamp{std::chrono::seconds{seconds}};
}

inline stream_id make_stream(std::uint8_t source, std::uint8_t producer = 1) {
  stream_id result;
  result.producer.fill(producer);
  result.source.fill(source);
  return result;
}

/// Makes the frames of one stream as a shipper would: each follows the one before.
class frame_maker {
public:
  explicit frame_maker(stream_id stream, label_set labels = {}) {
    header_.stream = stream;
    header_.sequence = 0;
    header_.labels = std::move(labels);
  }

  /// A frame of text as a file has it, uncompressed.
  frame lines(std::string_view text, timestamp time = at_seconds(1'700'000'000)) {
    lines_payload payload;
    payload.append(text);
    header_.record_count = count_lines(text);
    header_.first_timestamp = header_.last_timestamp = time;
    return next(std::move(payload).finish(time), text.size());
  }

  /// A frame of single records.
  frame records(record_encoder& encoder) {
    header_.record_count = encoder.count();
    header_.first_timestamp = encoder.first_timestamp();
    header_.last_timestamp = encoder.last_timestamp();
    auto bytes = encoder.body_bytes();
    return next(encoder.finish(), bytes);
  }

  /// A gap of so many records and source bytes.
  frame gap(std::uint32_t records, std::string_view reason, std::size_t source_bytes = 0,
    timestamp from = at_seconds(1'700'000'000), timestamp to = at_seconds(1'700'000'000)) {
    header_.kind = frame_kind::gap;
    header_.record_count = records;
    header_.first_timestamp = from;
    header_.last_timestamp = to;
    buffer payload;
    payload.append(as_bytes(reason));
    auto made = next(payload, source_bytes);
    header_.kind = frame_kind::records;
    return made;
  }

  /// Goes on as a new incarnation, from `position`.
  void start_epoch(std::uint64_t epoch, std::uint64_t position = 0) {
    header_.epoch = epoch;
    header_.sequence = 0;
    header_.position_end = position;
  }

  const stream_id& stream() const noexcept { return header_.stream; }
  stream_point last() const noexcept { return header_.end_point(); }

private:
  frame next(const buffer& payload, std::size_t source_bytes) {
    ++header_.sequence;
    header_.position_begin = header_.position_end;
    header_.position_end += source_bytes;
    header_.decoded_bytes = static_cast<std::uint32_t>(payload.size());
    return frame::encode(header_, payload.view()).value();
  }

  frame_header header_;
};

} // namespace sluice::test

#pragma once

#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"
#include "messages/frame.hpp"

/// What the tests of messages/ share.

namespace sluice {

using random_source = std::mt19937_64;

inline constexpr std::uint64_t fixed_seed = 20240229;

inline timestamp at_ns(std::int64_t ns) {
  return timestamp{std::chrono::nanoseconds{ns}};
}

inline std::size_t below(random_source& random, std::size_t bound) {
  return std::uniform_int_distribution<std::size_t>{0, bound - 1}(random);
}

inline std::string random_text(random_source& random, std::size_t max_bytes) {
  std::string text(below(random, max_bytes + 1), '\0');
  for (auto& c : text)
    c = static_cast<char>(random());
  return text;
}

inline id128 sample_id(std::uint8_t first) {
  id128 id;
  for (auto& b : id)
    b = first++;
  return id;
}

/// The header of the frame in the golden test.
inline frame_header sample_header() {
  frame_header header;
  header.stream = {sample_id(0), sample_id(0xf0)};
  header.epoch = 2;
  header.sequence = 3;
  header.record_count = 4;
  header.first_timestamp = header.last_timestamp = at_ns(1700000000123456789);
  header.position_begin = 1000;
  header.position_end = 1017;
  EXPECT_TRUE(header.labels.set("service", ""));
  EXPECT_TRUE(header.labels.set("host", "web-1"));
  return header;
}

/// A gap in its place.
inline frame_header sample_gap() {
  auto header = sample_header();
  header.kind = frame_kind::gap;
  return header;
}

inline frame make_frame(frame_header header, std::string_view payload) {
  auto made = frame::encode(std::move(header), as_bytes(payload));
  if (!made) {
    ADD_FAILURE() << made.error().message;
    return {};
  }
  return *made;
}

inline frame sample_frame() {
  return make_frame(sample_header(), "sixteen bytes, 16");
}

inline frame random_frame(random_source& random) {
  frame_header header;
  for (auto& b : header.stream.producer)
    b = static_cast<std::uint8_t>(random());
  for (auto& b : header.stream.source)
    b = static_cast<std::uint8_t>(random());
  header.compression = codec{static_cast<std::uint8_t>(random())};
  header.decoded_bytes = static_cast<std::uint32_t>(1 + below(random, frame_limits::max_decoded_bytes));
  header.epoch = random() | 1;
  header.sequence = random() | 1;
  header.record_count = static_cast<std::uint32_t>(random() | 1);
  header.first_timestamp = at_ns(static_cast<std::int64_t>(random()));
  header.last_timestamp = std::max(header.first_timestamp, at_ns(static_cast<std::int64_t>(random())));
  header.position_begin = random() / 2;
  header.position_end = header.position_begin + random() / 2;
  for (auto count = below(random, label_set::max_labels + 1); count > 0; --count)
    EXPECT_TRUE(header.labels.set("k" + std::to_string(random()), std::string(below(random, 300), 'v')));
  return make_frame(std::move(header), random_text(random, 5000) + "x");
}

inline buffer copy_of(byte_view bytes) {
  buffer copy;
  copy.append(bytes);
  return copy;
}

/// Makes the header hash of a changed frame right again, so that what is behind it gets checked.
inline void rehash_header(buffer& frame_bytes) {
  auto header_bytes = detail::load_le<std::uint16_t>(frame_bytes.data() + 6);
  auto header = frame_bytes.view().first(header_bytes);
  detail::store_le(frame_bytes.data() + 120, detail::hash64(header.first(120), header.subspan(128)));
}

template <class T>
errc code_of(const expected<T>& result) {
  return result ? errc::none : result.error().code;
}

template <class T>
std::string message_of(const expected<T>& result) {
  return result ? "no error" : result.error().message;
}

/// For GoogleTest.
inline void PrintTo(errc code, std::ostream* out) {
  *out << to_string(code);
}

} // namespace sluice

#include <fmt/format.h>

#include "messages/frame.hpp"
#include "messages/record_codec.hpp"
#include "tests/unit/messages_samples.hpp"

namespace sluice {

namespace {

/// Offsets of the format; see docs/specs/frame.md.
constexpr std::size_t version_at = 4, codec_at = 5, header_bytes_at = 6, payload_bytes_at = 8, decoded_bytes_at = 12,
                      epoch_at = 48, sequence_at = 56, record_count_at = 64, label_count_at = 68,
                      first_timestamp_at = 72, position_begin_at = 88, position_end_at = 96, kind_at = 112,
                      labels_at = 128;

std::string hex(byte_view bytes) {
  std::string text;
  for (auto b : bytes)
    text += fmt::format("{:02x}", static_cast<unsigned>(b));
  return text;
}

expected<frame> decode_changed(const frame& from, auto change, bool rehash) {
  auto bytes = copy_of(from.bytes());
  change(bytes);
  if (rehash)
    rehash_header(bytes);
  return frame::decode(share(std::move(bytes)));
}

/// Decodes the sample with `value` at `offset`, the header hash made right again.
template <class T>
expected<frame> decode_with(std::size_t offset, T value) {
  return decode_changed(
    sample_frame(), [&](buffer& bytes) { detail::store_le(bytes.data() + offset, value); }, true);
}

void expect_refused(const expected<frame>& result, errc code, std::string_view what) {
  EXPECT_EQ(code_of(result), code) << message_of(result);
  EXPECT_NE(message_of(result).find(what), std::string::npos) << message_of(result) << " lacks " << what;
}

expected<frame> decode_with_labels(std::uint32_t count, std::string_view labels) {
  auto header = sample_header();
  header.labels = {};
  auto plain = make_frame(header, "sixteen bytes, 16");
  buffer bytes;
  bytes.append(plain.bytes().first(labels_at));
  bytes.append(as_bytes(labels));
  bytes.append(plain.payload());
  detail::store_le(bytes.data() + header_bytes_at, static_cast<std::uint16_t>(labels_at + labels.size()));
  detail::store_le(bytes.data() + label_count_at, count);
  rehash_header(bytes);
  return frame::decode(share(std::move(bytes)));
}

std::string label(std::string_view key, std::string_view value) {
  buffer bytes;
  detail::byte_writer out{bytes};
  out.u8(static_cast<std::uint8_t>(key.size()));
  out.u16(static_cast<std::uint16_t>(value.size()));
  out.text(key);
  out.text(value);
  return std::string{bytes.text()};
}

} // namespace

// Built by hand from the specification; a change here is a change of the format, and needs a new version.
TEST(frame, golden_bytes) {
  constexpr std::string_view golden = "534c4652010096002100000021000000000102030405060708090a0b0c0d0e0f"
                                      "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff02000000000000000300000000000000"
                                      "040000000200000015cd853dfe9c971715cd853dfe9c9717e803000000000000"
                                      "f9030000000000001b879d61daed784d0000000000000000b11d68a42099f384"
                                      "040500686f73747765622d3107000073657276696365010000001100000015cd"
                                      "853dfe9c971766697273740a7365636f6e640d0a0a00ff";
  lines_payload lines;
  lines.append(std::string_view{"first\nsecond\r\n\n\0\xff", 17});
  auto payload = std::move(lines).finish(sample_header().first_timestamp);
  EXPECT_EQ(hex(make_frame(sample_header(), payload.text()).bytes()), golden);
}

TEST(frame, round_trips) {
  random_source random{fixed_seed};
  for (int i = 0; i < 300; ++i) {
    auto made = random_frame(random);
    auto read = frame::decode(share(copy_of(made.bytes())));
    ASSERT_TRUE(read) << i << ": " << read.error().message << ", seed " << fixed_seed;
    EXPECT_EQ(read->header(), made.header());
    EXPECT_EQ(as_text(read->payload()), as_text(made.payload()));
  }
}

TEST(frame, encodes_again_to_the_same_bytes) {
  random_source random{fixed_seed};
  auto made = random_frame(random);
  EXPECT_EQ(as_text(make_frame(made.header(), as_text(made.payload())).bytes()), as_text(made.bytes()));
}

TEST(frame, keeps_a_codec_it_does_not_know) {
  auto header = sample_header();
  header.compression = codec{77};
  header.decoded_bytes = 5;
  auto read = frame::decode(share(copy_of(make_frame(header, "??").bytes())));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->header().compression, codec{77});
}

TEST(frame, says_which_point_it_makes_durable) {
  EXPECT_EQ(sample_frame().header().end_point(), (stream_point{2, 3, 1017}));
}

TEST(frame, every_flipped_bit_is_refused) {
  auto sample = sample_frame();
  for (std::size_t bit = 0; bit < sample.size() * 8; ++bit) {
    auto flip = [bit](buffer& bytes) { bytes.data()[bit / 8] ^= std::byte(1u << (bit % 8)); };
    EXPECT_FALSE(decode_changed(sample, flip, false)) << "bit " << bit;
  }
}

TEST(frame, every_truncation_is_refused) {
  auto sample = sample_frame();
  for (std::size_t size = 0; size < sample.size(); ++size)
    EXPECT_EQ(code_of(frame::decode(share(copy_of(sample.bytes().first(size))))), errc::truncated) << size;
  EXPECT_EQ(code_of(frame::decode(nullptr)), errc::truncated);
}

TEST(frame, bytes_behind_it_are_refused) {
  expect_refused(decode_changed(
                   sample_frame(), [](buffer& bytes) { bytes.push_back(std::byte{0}); }, false),
    errc::malformed, "1 bytes behind its end");
}

TEST(frame, magic_and_version) {
  expect_refused(decode_with(0, 0x20544547u), errc::bad_magic, "0x20544547");
  expect_refused(decode_with(version_at, std::uint8_t{2}), errc::unsupported_version, "version is 2");
  expect_refused(decode_with(version_at, std::uint8_t{0}), errc::unsupported_version, "version is 0");
}

TEST(frame, lengths_are_bounded) {
  auto with = [](std::size_t offset, auto value) {
    return decode_changed(
      sample_frame(), [&](buffer& bytes) { detail::store_le(bytes.data() + offset, value); }, false);
  };
  expect_refused(with(header_bytes_at, std::uint16_t{127}), errc::malformed, "header_bytes is 127");
  expect_refused(with(header_bytes_at, std::uint16_t{16385}), errc::too_large, "header_bytes is 16385");
  expect_refused(with(payload_bytes_at, 0u), errc::malformed, "payload_bytes is 0");
  expect_refused(with(payload_bytes_at, 0xffffffffu), errc::too_large, "payload_bytes is 4294967295");
  expect_refused(with(payload_bytes_at, 0x04000001u), errc::too_large, "payload_bytes is 67108865");
  expect_refused(with(decoded_bytes_at, 0u), errc::malformed, "decoded_bytes is 0");
  expect_refused(with(decoded_bytes_at, 0xffffffffu), errc::too_large, "decoded_bytes is 4294967295");
}

TEST(frame, contradicting_fields_are_refused) {
  expect_refused(decode_with(epoch_at, std::uint64_t{0}), errc::malformed, "epoch is 0");
  expect_refused(decode_with(sequence_at, std::uint64_t{0}), errc::malformed, "sequence is 0");
  expect_refused(decode_with(record_count_at, 0u), errc::malformed, "record_count is 0");
  expect_refused(decode_with(first_timestamp_at, std::int64_t{1800000000000000000}), errc::malformed,
    "first_timestamp 1800000000000000000 is after last_timestamp 1700000000123456789");
  expect_refused(decode_with(position_end_at, std::uint64_t{999}), errc::malformed,
    "position_end 999 is before position_begin 1000");
  expect_refused(decode_with(kind_at, std::uint8_t{2}), errc::malformed, "kind is 2");
  for (std::size_t reserved = kind_at + 1; reserved < kind_at + 8; ++reserved)
    expect_refused(decode_with(reserved, std::uint8_t{1}), errc::malformed, "reserved is 0x1");
  expect_refused(decode_with(decoded_bytes_at, 18u), errc::malformed, "decoded_bytes is 18");
  EXPECT_TRUE(decode_with(position_begin_at, std::uint64_t{1017}));
  EXPECT_TRUE(decode_with(codec_at, std::uint8_t{1}));
}

TEST(frame, a_gap_is_a_frame_whose_payload_is_the_reason) {
  auto made = make_frame(sample_gap(), "drop_newest");
  auto read = frame::decode(share(copy_of(made.bytes())));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->header(), made.header());
  EXPECT_EQ(read->header().kind, frame_kind::gap);
  EXPECT_EQ(made.bytes()[kind_at], std::byte{1});
  EXPECT_EQ(as_text(read->payload()), "drop_newest");
}

TEST(frame, a_gap_holds_no_records_whatever_it_counts) {
  EXPECT_EQ(sample_header().stored_records(), 4);
  EXPECT_EQ(sample_header().source_bytes(), 17);
  EXPECT_EQ(sample_gap().record_count, 4);
  EXPECT_EQ(sample_gap().stored_records(), 0);
  EXPECT_EQ(sample_gap().source_bytes(), 0);
}

TEST(frame, a_gap_may_be_of_unknown_size_and_of_an_empty_range) {
  auto header = sample_gap();
  header.record_count = 0;
  header.position_end = header.position_begin;
  EXPECT_TRUE(frame::decode(share(copy_of(make_frame(header, std::string(64, '_')).bytes()))));
}

TEST(frame, the_reason_of_a_gap_is_checked) {
  auto encoded = [](frame_header header, std::string_view reason) {
    return code_of(frame::encode(std::move(header), as_bytes(reason)));
  };
  EXPECT_EQ(encoded(sample_gap(), "a_z"), errc::none);
  EXPECT_EQ(encoded(sample_gap(), ""), errc::invalid_argument);
  EXPECT_EQ(encoded(sample_gap(), std::string(65, 'a')), errc::invalid_argument);
  EXPECT_EQ(encoded(sample_gap(), "Drop"), errc::invalid_argument);
  EXPECT_EQ(encoded(sample_gap(), "drop newest"), errc::invalid_argument);
  auto compressed = sample_gap();
  compressed.compression = codec::zstd;
  compressed.decoded_bytes = 20;
  EXPECT_EQ(encoded(compressed, "reason"), errc::invalid_argument);
  // The sample's payload is no reason, nor is 16 bytes too long a one.
  expect_refused(decode_with(kind_at, std::uint8_t{1}), errc::malformed, "a to z");
  auto long_gap = [](buffer& bytes) { detail::store_le(bytes.data() + kind_at, std::uint8_t{1}); };
  expect_refused(decode_changed(make_frame(sample_header(), std::string(65, 'a')), long_gap, true), errc::malformed,
    "reason of a gap has 65 bytes");
}

TEST(frame, labels_are_checked) {
  auto two = label("a", "1") + label("b", "");
  EXPECT_TRUE(decode_with_labels(2, two));
  expect_refused(decode_with_labels(33, two), errc::malformed, "label_count is 33");
  expect_refused(decode_with_labels(0xffffffff, two), errc::malformed, "label_count is 4294967295");
  expect_refused(decode_with_labels(1, two), errc::malformed, "4 bytes behind its labels");
  expect_refused(decode_with_labels(3, two), errc::malformed, "label 3 of 3 breaks off");
  expect_refused(decode_with_labels(2, two.substr(0, two.size() - 1)), errc::malformed, "label 2 of 2 breaks off");
  expect_refused(decode_with_labels(2, label("b", "") + label("a", "")), errc::malformed, "not in order");
  expect_refused(decode_with_labels(2, label("a", "1") + label("a", "2")), errc::malformed, "not in order");
  expect_refused(decode_with_labels(1, label("", "x")), errc::malformed, "key has 0 bytes");
  expect_refused(decode_with_labels(1, label("a b", "x")), errc::malformed, "a b");
  expect_refused(decode_with_labels(1, label(std::string(129, 'k'), "x")), errc::malformed, "129 bytes");
  expect_refused(decode_with_labels(1, label("k", std::string(1025, 'v'))), errc::malformed, "1025 bytes");
  expect_refused(decode_with_labels(1, label("k", "\xff")), errc::malformed, "UTF-8");
}

TEST(frame, damage_is_told_apart) {
  auto sample = sample_frame();
  auto flip_at = [&](std::size_t at) {
    return decode_changed(
      sample, [at](buffer& bytes) { bytes.data()[at] ^= std::byte{1}; }, false);
  };
  expect_refused(flip_at(epoch_at), errc::bad_checksum, "header_hash");
  expect_refused(flip_at(sample.size() - 1), errc::bad_checksum, "payload_hash");
}

TEST(frame, encoding_refuses_what_decoding_would) {
  auto refused = [](auto change, std::string_view payload = "x") {
    auto header = sample_header();
    change(header);
    return code_of(frame::encode(header, as_bytes(payload)));
  };
  EXPECT_EQ(refused([](auto&) {}), errc::none);
  EXPECT_EQ(refused([](auto&) {}, ""), errc::invalid_argument);
  EXPECT_EQ(refused([](auto& h) { h.epoch = 0; }), errc::invalid_argument);
  EXPECT_EQ(refused([](auto& h) { h.sequence = 0; }), errc::invalid_argument);
  EXPECT_EQ(refused([](auto& h) { h.record_count = 0; }), errc::invalid_argument);
  EXPECT_EQ(refused([](auto& h) { h.first_timestamp += std::chrono::nanoseconds{1}; }), errc::invalid_argument);
  EXPECT_EQ(refused([](auto& h) { h.position_end = 999; }), errc::invalid_argument);
  EXPECT_EQ(refused([](auto& h) { h.compression = codec::zstd; }), errc::invalid_argument);
  EXPECT_EQ(refused([](auto& h) { h.compression = codec::zstd, h.decoded_bytes = 0x04000001; }), errc::too_large);
  EXPECT_EQ(refused([](auto&) {}, std::string(frame_limits::max_payload_bytes + 1, 'x')), errc::too_large);
}

TEST(frame, extent_needs_sixteen_bytes) {
  auto sample = sample_frame();
  auto extent = decode_frame_extent(sample.bytes().first(16));
  ASSERT_TRUE(extent);
  EXPECT_EQ(extent->frame_bytes(), sample.size());
  EXPECT_EQ(code_of(decode_frame_extent(sample.bytes().first(15))), errc::truncated);
}

TEST(frame, header_is_decoded_without_the_payload) {
  auto sample = sample_frame();
  auto header = decode_frame_header(sample.bytes().first(sample.header().header_bytes));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(*header, sample.header());
}

} // namespace sluice

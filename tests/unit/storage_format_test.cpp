#include <gtest/gtest.h>

#include "actors/storage/segment_format.hpp"
#include "actors/storage/segment_index.hpp"
#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice {
namespace {

std::string hex(byte_view bytes) {
  std::string result;
  for (auto b : bytes) {
    constexpr auto digits = "0123456789abcdef";
    result += digits[std::to_integer<int>(b) >> 4];
    result += digits[std::to_integer<int>(b) & 15];
  }
  return result;
}

std::string hash_hex(byte_view bytes) {
  std::byte encoded[8];
  detail::store_le(encoded, detail::hash64(bytes));
  return hex(encoded);
}

segment_header example() {
  return {7, timestamp{std::chrono::nanoseconds{0x0102030405060708}},
    {{test::make_stream(0xAA, 0xBB), {1, 2, 3}, timestamp{std::chrono::nanoseconds{-1}}}}};
}

TEST(storage_format, header_bytes_are_those_of_the_specification) {
  auto encoded = encode_segment_header(example());
  auto hashed = encoded.view().first(encoded.size() - 8);
  EXPECT_EQ(hex(encoded.view()), "534c5347"
                                 "0100"
                                 "0000"
                                 "0700000000000000"
                                 "0807060504030201"
                                 "01000000"
                                 "00000000"
                                 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                 "0100000000000000"
                                 "0200000000000000"
                                 "0300000000000000"
                                 "ffffffffffffffff" +
                                   hash_hex(hashed));
  EXPECT_EQ(decode_segment_header(encoded.view()), example());
}

TEST(storage_format, header_refuses_every_truncation_and_flipped_bit) {
  auto encoded = encode_segment_header(example());
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(decode_segment_header(encoded.view().first(size)));
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    auto flip = std::byte{1} << (bit % 8);
    encoded.data()[bit / 8] ^= flip;
    EXPECT_FALSE(decode_segment_header(encoded.view())) << bit;
    encoded.data()[bit / 8] ^= flip;
  }
}

TEST(storage_format, header_bounds_the_number_of_streams_before_any_allocation) {
  auto encoded = encode_segment_header(example());
  detail::store_le<std::uint32_t>(encoded.data() + 24, 0xFFFFFFFF);
  EXPECT_EQ(decode_segment_header_size(encoded.view()).error().code, errc::too_large);
}

TEST(storage_format, mark_bytes_are_those_of_the_specification) {
  auto header = encode_segment_header(example());
  segment_marks marks{header.view()};
  auto mark = marks.encode(0x1234);
  buffer hashed;
  hashed.append(mark.view().first(16));
  hashed.append(header.view().last(8));
  EXPECT_EQ(hex(mark.view()), "534c4d4b"
                              "00000000"
                              "3412000000000000" +
                                hash_hex(hashed.view()));
  EXPECT_TRUE(marks.is_mark(mark.view(), 0x1234));
  EXPECT_FALSE(marks.is_mark(mark.view(), 0x1235));
  auto other = example();
  other.number = 8;
  EXPECT_FALSE(segment_marks{encode_segment_header(other).view()}.is_mark(mark.view(), 0x1234));
}

segment_index example_index() {
  label_set labels;
  labels.set("k", "vv");
  segment_index_builder builder;
  test::frame_maker maker{test::make_stream(0xAA, 0xBB), labels};
  builder.add(maker.lines("a\nb\n").header(), 104);
  builder.add(maker.lines("c\n").header(), 300);
  builder.add(test::frame_maker{test::make_stream(1)}.lines("d\n").header(), 500);
  return builder.index();
}

TEST(storage_format, footer_bytes_are_those_of_the_specification) {
  auto index = example_index();
  EXPECT_EQ(index.streams.size(), 2u);
  EXPECT_EQ(index.label_sets.size(), 2u);
  EXPECT_EQ(index.records, 4u);
  auto encoded = encode_footer(index, 700);
  EXPECT_EQ(encoded.size(), 3 * 80 + 2 * 32 + (2 + 3 + 3) + 2 + 56u);
  auto text = hex(encoded.view());
  // A header of 128 + 3 + 3 bytes and a payload of 16 + 4 bytes; 1.7e18 ns is 0x17979cfe362a0000.
  EXPECT_EQ(text.substr(0, 160), "6800000000000000"
                                 "86000000"
                                 "14000000"
                                 "02000000"
                                 "00000000"
                                 "00000000"
                                 "00000000"
                                 "0100000000000000"
                                 "0100000000000000"
                                 "0000000000000000"
                                 "0400000000000000"
                                 "00002a36fe9c9717"
                                 "00002a36fe9c9717");
  EXPECT_EQ(text.substr(608, 20), "0100"
                                  "010200"
                                  "6b"
                                  "7676"
                                  "0000");
  EXPECT_EQ(text.substr(628, 80), "bc02000000000000"
                                  "03000000"
                                  "02000000"
                                  "02000000"
                                  "0a000000"
                                  "0400000000000000"
                                  "3800000000000000");
  EXPECT_EQ(text.substr(708), hash_hex(encoded.view().first(354)) + "00000000"
                                                                    "534c5358");
  EXPECT_EQ(decode_footer_offset(encoded.view().last(56), 700 + encoded.size()), 700u);
  EXPECT_EQ(decode_footer(encoded.view(), 700), index);
}

TEST(storage_format, footer_refuses_every_truncation_and_flipped_bit) {
  auto encoded = encode_footer(example_index(), 700);
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(decode_footer(encoded.view().first(size), 700));
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    auto flip = std::byte{1} << (bit % 8);
    encoded.data()[bit / 8] ^= flip;
    EXPECT_FALSE(decode_footer(encoded.view(), 700)) << bit;
    encoded.data()[bit / 8] ^= flip;
  }
}

TEST(storage_format, footer_entries_must_lie_in_the_body) {
  auto index = example_index();
  index.frames[2].offset = 600;
  EXPECT_EQ(decode_footer(encode_footer(index, 700).view(), 700).error().code, errc::malformed);
  index = example_index();
  index.frames[0].stream = 2;
  EXPECT_EQ(decode_footer(encode_footer(index, 700).view(), 700).error().code, errc::malformed);
}

TEST(storage_format, names_have_twenty_digits) {
  EXPECT_EQ(segment_name(1), "00000000000000000001.seg");
  EXPECT_EQ(segment_name(18446744073709551615ull), "18446744073709551615.seg");
}

} // namespace
} // namespace sluice

#include <random>

#include <gtest/gtest.h>
#include <zstd.h>

#include "transport/payload_codec.hpp"

namespace sluice {
namespace {

std::string lines(std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i)
    result += "2026-01-01T00:00:00Z host app[42]: request " + std::to_string(i) + " took a while\n";
  return result;
}

std::string zstd_frame(std::string_view content, int level = 1) {
  std::string result(ZSTD_compressBound(content.size()), '\0');
  result.resize(ZSTD_compress(result.data(), result.size(), content.data(), content.size(), level));
  return result;
}

frame_header claiming(std::size_t decoded_bytes, codec method = codec::zstd) {
  frame_header header;
  header.compression = method;
  header.decoded_bytes = static_cast<std::uint32_t>(decoded_bytes);
  return header;
}

errc failure(payload_decompressor& decompressor, const frame_header& header, std::string_view payload) {
  auto result = decompressor.decompress(header, as_bytes(payload));
  return result ? errc::none : result.error().code;
}

TEST(payload_codec_test, every_level_gives_the_payload_back) {
  payload_decompressor decompressor;
  auto payload = lines(2'000);
  for (int level = 1; level <= 19; ++level) {
    payload_compressor compressor{{codec::zstd, level}};
    auto made = compressor.compress({}, as_bytes(payload));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->header().compression, codec::zstd);
    EXPECT_LT(made->size(), payload.size() / 4);
    auto back = decompressor.decompress(made->header(), made->payload());
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(as_text(*back), payload);
  }
}

TEST(payload_codec_test, one_compressor_serves_payloads_of_all_sizes) {
  payload_compressor compressor{{}};
  payload_decompressor decompressor;
  for (std::size_t count : {1, 10'000, 3, 2'000, 1}) {
    auto payload = lines(count);
    auto made = compressor.compress({}, as_bytes(payload));
    ASSERT_TRUE(made);
    auto back = decompressor.decompress(made->header(), made->payload());
    ASSERT_TRUE(back);
    EXPECT_EQ(as_text(*back), payload);
  }
}

TEST(payload_codec_test, what_does_not_shrink_is_stored_as_it_is) {
  std::mt19937 random{1};
  std::string noise(10'000, '\0');
  for (auto& byte : noise)
    byte = static_cast<char>(random());
  payload_compressor compressor{{}};
  for (std::string_view payload : {std::string_view{noise}, std::string_view{"x"}}) {
    auto made = compressor.compress({}, as_bytes(payload));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->header().compression, codec::none);
    EXPECT_EQ(as_text(made->payload()), payload);
    EXPECT_EQ(as_text(*payload_decompressor{}.decompress(made->header(), made->payload())), payload);
  }
}

TEST(payload_codec_test, none_leaves_the_payload_alone) {
  payload_compressor compressor{{codec::none}};
  auto payload = lines(100);
  auto made = compressor.compress({}, as_bytes(payload));
  ASSERT_TRUE(made);
  EXPECT_EQ(as_text(made->payload()), payload);
}

TEST(payload_codec_test, payloads_beyond_the_format_are_refused) {
  payload_compressor compressor{{}};
  EXPECT_EQ(compressor.compress({}, {}).error().code, errc::invalid_argument);
  std::string huge(frame_limits::max_decoded_bytes + 1, 'x');
  EXPECT_EQ(compressor.compress({}, as_bytes(huge)).error().code, errc::too_large);
}

/// A zstd frame that does not tell its content's size.
std::string unsized_frame(std::size_t megabytes) {
  auto* context = ZSTD_createCCtx();
  std::string chunk(1 << 20, '\0'), result(1 << 20, '\0');
  ZSTD_outBuffer out{result.data(), result.size(), 0};
  for (std::size_t i = 0; i <= megabytes; ++i) {
    ZSTD_inBuffer in{chunk.data(), i < megabytes ? chunk.size() : 0, 0};
    EXPECT_EQ(ZSTD_compressStream2(context, &out, &in, i < megabytes ? ZSTD_e_continue : ZSTD_e_end), 0u);
  }
  ZSTD_freeCCtx(context);
  result.resize(out.pos);
  return result;
}

TEST(payload_codec_test, a_bomb_does_not_go_off) {
  payload_decompressor decompressor;
  auto bomb = unsized_frame(1'024);
  ASSERT_LT(bomb.size(), 200'000u);
  EXPECT_EQ(failure(decompressor, claiming(1'024), bomb), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(std::size_t{1} << 31), bomb), errc::decompression_failed);
}

TEST(payload_codec_test, sizes_must_match_exactly) {
  payload_decompressor decompressor;
  auto content = lines(100);
  auto payload = zstd_frame(content);
  EXPECT_EQ(failure(decompressor, claiming(content.size()), payload), errc::none);
  EXPECT_EQ(failure(decompressor, claiming(content.size() - 1), payload), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(content.size() + 1), payload), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(content.size(), codec::none), payload), errc::decompression_failed);
}

TEST(payload_codec_test, exactly_one_zstd_frame_is_accepted) {
  payload_decompressor decompressor;
  auto content = lines(100);
  auto payload = zstd_frame(content);
  auto skippable = std::string{"\x50\x2a\x4d\x18\x04\0\0\0abcd", 12};
  EXPECT_EQ(failure(decompressor, claiming(2 * content.size()), payload + payload), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(content.size()), payload + zstd_frame("")), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(content.size()), payload + "x"), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(content.size()), skippable + payload), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(4), skippable), errc::decompression_failed);
}

TEST(payload_codec_test, garbage_is_refused_and_harms_nothing) {
  payload_decompressor decompressor;
  auto content = lines(100);
  auto payload = zstd_frame(content);
  EXPECT_EQ(failure(decompressor, claiming(100), "complete garbage"), errc::decompression_failed);
  EXPECT_EQ(failure(decompressor, claiming(100), ""), errc::decompression_failed);
  for (std::size_t size = 0; size < payload.size(); ++size)
    ASSERT_EQ(failure(decompressor, claiming(content.size()), payload.substr(0, size)), errc::decompression_failed);
  for (std::size_t at = 0; at < payload.size(); ++at) {
    auto flipped = payload;
    flipped[at] ^= 0x10;
    failure(decompressor, claiming(content.size()), flipped); // bits of the content are the frame hash's to find
  }
  EXPECT_EQ(failure(decompressor, claiming(content.size()), payload), errc::none);
}

TEST(payload_codec_test, unknown_codecs_are_named) {
  payload_decompressor decompressor;
  auto result = decompressor.decompress(claiming(1, codec{77}), as_bytes("x"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::unknown_codec);
  EXPECT_NE(result.error().message.find("77"), std::string::npos);
}

TEST(payload_codec_test, compression_is_written_as_users_write_it) {
  EXPECT_EQ(parse_compression("none")->method, codec::none);
  EXPECT_EQ(*parse_compression("zstd"), (compression{codec::zstd, 1}));
  EXPECT_EQ(*parse_compression("zstd:19"), (compression{codec::zstd, 19}));
  for (auto text : {"", "gzip", "zstd:", "zstd:0", "zstd:20", "zstd:-1", "zstd:3x", "ZSTD", "zstd: 3"}) {
    auto parsed = parse_compression(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, errc::invalid_argument);
  }
}

} // namespace
} // namespace sluice

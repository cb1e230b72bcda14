#include <gmock/gmock.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include "messages/ingest/base64.hpp"
#include "messages/ingest/inflate.hpp"

namespace sluice {

namespace {

using namespace testing;

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string made(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(made.data());
  stream.avail_out = static_cast<uInt>(made.size());
  deflate(&stream, Z_FINISH);
  made.resize(stream.total_out);
  deflateEnd(&stream);
  return made;
}

std::string zstd(const std::string& text) {
  std::string made(ZSTD_compressBound(text.size()), '\0');
  made.resize(ZSTD_compress(made.data(), made.size(), text.data(), text.size(), 1));
  return made;
}

std::string snappy_block(const std::string& text) {
  std::string made;
  ::snappy::Compress(text.data(), text.size(), &made);
  return made;
}

std::string compress(content_coding coding, const std::string& text) {
  switch (coding) {
  case content_coding::gzip:
    return gzip(text);
  case content_coding::zstd:
    return zstd(text);
  case content_coding::snappy:
    return snappy_block(text);
  default:
    return text;
  }
}

std::string inflated(content_coding coding, const std::string& body, std::size_t max = 1 << 20) {
  auto made = inflate(coding, as_bytes(body), max);
  return made ? std::string{made->text()} : std::string{to_string(made.error().code)};
}

constexpr content_coding all[] = {
  content_coding::identity, content_coding::gzip, content_coding::zstd, content_coding::snappy};

} // namespace

TEST(inflate, gives_back_what_was_compressed) {
  std::string text;
  for (int i = 0; i < 30'000; ++i)
    text += std::to_string(i);
  for (auto coding : all) {
    EXPECT_EQ(inflated(coding, compress(coding, text)), text);
    EXPECT_EQ(inflated(coding, compress(coding, "")), "");
  }
}

TEST(inflate, reads_several_members) {
  EXPECT_EQ(inflated(content_coding::gzip, gzip("one ") + gzip("two")), "one two");
  EXPECT_EQ(inflated(content_coding::zstd, zstd("one ") + zstd("two")), "one two");
}

TEST(inflate, writes_no_more_than_its_bound) {
  std::string text(1'000'000, 'x');
  for (auto coding : all) {
    auto body = compress(coding, text);
    EXPECT_EQ(inflated(coding, body, text.size()), text);
    EXPECT_EQ(inflated(coding, body, text.size() - 1), "too_large");
    EXPECT_EQ(inflated(coding, body, 10), "too_large");
  }
}

TEST(inflate, refuses_what_is_cut_or_changed) {
  for (auto coding : {content_coding::gzip, content_coding::zstd, content_coding::snappy}) {
    auto body = compress(coding, "a text that is long enough to be cut, cut, cut, cut somewhere");
    for (std::size_t size = 0; size < body.size(); ++size)
      EXPECT_EQ(inflated(coding, body.substr(0, size)), "decompression_failed") << size;
    EXPECT_EQ(inflated(coding, "no such thing"), "decompression_failed");
    EXPECT_EQ(inflated(coding, body + "rest"), "decompression_failed");
  }
}

TEST(inflate, knows_the_codings_by_name) {
  EXPECT_EQ(parse_content_coding(""), content_coding::identity);
  EXPECT_EQ(parse_content_coding("gzip"), content_coding::gzip);
  EXPECT_EQ(parse_content_coding("zstd"), content_coding::zstd);
  EXPECT_EQ(parse_content_coding("snappy"), content_coding::snappy);
  EXPECT_EQ(parse_content_coding("GZip"), content_coding::gzip);
  EXPECT_EQ(parse_content_coding("br").error().code, errc::unknown_codec);
}

TEST(base64, gives_back_any_bytes) {
  EXPECT_EQ(base64_encode("Man"), "TWFu");
  EXPECT_EQ(base64_encode("Ma"), "TWE=");
  EXPECT_EQ(base64_encode("M"), "TQ==");
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes.push_back(static_cast<char>(i));
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(hex_decode(hex_encode(bytes)), bytes);
  }
  EXPECT_EQ(base64_decode("_-8"), base64_decode("/+8="));
  EXPECT_EQ(base64_decode("A"), std::nullopt);
  EXPECT_EQ(base64_decode("A?=="), std::nullopt);
  EXPECT_EQ(hex_decode("abc"), std::nullopt);
  EXPECT_EQ(hex_decode("xx"), std::nullopt);
  EXPECT_EQ(hex_decode("AbCd"), "\xab\xcd");
}

} // namespace sluice

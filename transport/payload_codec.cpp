#include "transport/payload_codec.hpp"

#include <charconv>

#include <fmt/format.h>
#include <zstd.h>

namespace sluice {

namespace {

constexpr int max_level = 19;

tl::unexpected<error> broken(std::string_view what) {
  return fail(errc::decompression_failed, fmt::format("cannot decompress a payload: {}", what));
}

} // namespace

expected<compression> parse_compression(std::string_view text) {
  auto bad = [&] {
    return fail(errc::invalid_argument,
      fmt::format("`{}` is no compression; use none, zstd or zstd:LEVEL with a level from 1 to {}", text, max_level));
  };
  if (text == "none")
    return compression{codec::none};
  if (text == "zstd")
    return compression{};
  if (!text.starts_with("zstd:"))
    return bad();
  auto digits = text.substr(5);
  int level = 0;
  auto [end, failure] = std::from_chars(digits.begin(), digits.end(), level);
  if (failure != std::errc{} || end != digits.end() || level < 1 || level > max_level)
    return bad();
  return compression{codec::zstd, level};
}

struct payload_compressor::impl {
  compression how;
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context{nullptr, &ZSTD_freeCCtx};
  buffer scratch;
};

payload_compressor::payload_compressor(compression how) : impl_{std::make_unique<impl>(how)} {
  if (how.method != codec::zstd)
    return;
  impl_->context.reset(ZSTD_createCCtx());
  ZSTD_CCtx_setParameter(impl_->context.get(), ZSTD_c_compressionLevel, how.level);
  ZSTD_CCtx_setParameter(impl_->context.get(), ZSTD_c_checksumFlag, 0); // the frame has a hash of its own
}

payload_compressor::~payload_compressor() = default;
payload_compressor::payload_compressor(payload_compressor&&) noexcept = default;

expected<frame> payload_compressor::compress(frame_header header, byte_view payload) {
  if (payload.size() > frame_limits::max_decoded_bytes)
    return fail(errc::too_large,
      fmt::format("a batch of {} bytes; a frame holds at most {}", payload.size(), frame_limits::max_decoded_bytes));
  header.decoded_bytes = static_cast<std::uint32_t>(payload.size());
  header.compression = codec::none;
  if (!impl_->context)
    return frame::encode(std::move(header), payload);
  auto& scratch = impl_->scratch;
  scratch.resize(ZSTD_compressBound(payload.size()));
  auto size = ZSTD_compress2(impl_->context.get(), scratch.data(), scratch.size(), payload.data(), payload.size());
  if (ZSTD_isError(size))
    return fail(errc::io_error, fmt::format("cannot compress a batch: {}", ZSTD_getErrorName(size)));
  if (size >= payload.size())
    return frame::encode(std::move(header), payload);
  header.compression = codec::zstd;
  return frame::encode(std::move(header), scratch.view().first(size));
}

struct payload_decompressor::impl {
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context{ZSTD_createDCtx(), &ZSTD_freeDCtx};
  buffer decoded;
};

payload_decompressor::payload_decompressor() : impl_{std::make_unique<impl>()} {}
payload_decompressor::~payload_decompressor() = default;
payload_decompressor::payload_decompressor(payload_decompressor&&) noexcept = default;

expected<byte_view> payload_decompressor::decompress(const frame_header& header, byte_view payload) {
  if (header.compression == codec::none) {
    if (payload.size() != header.decoded_bytes)
      return broken("an uncompressed one differs in size from what its header says");
    return payload;
  }
  if (header.compression != codec::zstd)
    return fail(
      errc::unknown_codec, fmt::format("this build does not know codec {}", static_cast<unsigned>(header.compression)));
  if (header.decoded_bytes > frame_limits::max_decoded_bytes)
    return broken("its header claims more than a frame may hold");
  if (ZSTD_findFrameCompressedSize(payload.data(), payload.size()) != payload.size())
    return broken("it is not exactly one zstd frame");
  auto& decoded = impl_->decoded;
  decoded.resize(header.decoded_bytes);
  auto size = ZSTD_decompressDCtx(impl_->context.get(), decoded.data(), decoded.size(), payload.data(), payload.size());
  if (ZSTD_isError(size))
    return broken(ZSTD_getErrorName(size));
  if (size != header.decoded_bytes)
    return broken("it holds less than its header says");
  return decoded.view();
}

} // namespace sluice

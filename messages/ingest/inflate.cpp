#include "messages/ingest/inflate.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include "messages/ingest/ingest.hpp"

namespace sluice {

namespace {

constexpr std::size_t step_bytes = 64 * 1024;

tl::unexpected<error> broken(std::string_view coding) {
  return fail(errc::decompression_failed, fmt::format("the body is not what {} makes", coding));
}

tl::unexpected<error> too_large(std::size_t max_bytes) {
  return fail(errc::too_large, fmt::format("the body has more than {} bytes when it is inflated", max_bytes));
}

/// Room for more at the end of `to`, one byte beyond `max_bytes` at the most, so that it shows.
std::size_t widen(buffer& to, std::size_t used, std::size_t max_bytes) {
  to.resize(std::min(used + step_bytes, max_bytes + 1));
  return to.size() - used;
}

expected<buffer> inflate_gzip(byte_view body, std::size_t max_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) // gzip only
    return broken("gzip");
  std::unique_ptr<z_stream, decltype(&inflateEnd)> end{&stream, &inflateEnd};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  buffer made;
  std::size_t used = 0;
  for (auto state = Z_OK; state != Z_STREAM_END || stream.avail_in > 0;) {
    if (state == Z_STREAM_END && inflateReset(&stream) != Z_OK) // another member
      return broken("gzip");
    auto room = widen(made, used, max_bytes);
    stream.next_out = reinterpret_cast<Bytef*>(made.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    state = ::inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
    if (used > max_bytes)
      return too_large(max_bytes);
    if (state != Z_OK && state != Z_STREAM_END)
      return broken("gzip");
  }
  made.resize(used);
  return made;
}

expected<buffer> inflate_zstd(byte_view body, std::size_t max_bytes) {
  constexpr int max_window_log = 23; // 8 MiB, as RFC 8878 recommends
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context{ZSTD_createDCtx(), &ZSTD_freeDCtx};
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, max_window_log);
  ZSTD_inBuffer input{body.data(), body.size(), 0};
  buffer made;
  std::size_t used = 0, left = 1;
  while (left != 0 || input.pos < input.size) {
    ZSTD_outBuffer output{nullptr, widen(made, used, max_bytes), 0};
    output.dst = made.data() + used;
    auto consumed = input.pos;
    left = ZSTD_decompressStream(context.get(), &output, &input);
    used += output.pos;
    if (used > max_bytes)
      return too_large(max_bytes);
    if (ZSTD_isError(left) || (left != 0 && input.pos == consumed && output.pos == 0))
      return broken("zstd");
  }
  made.resize(used);
  return made;
}

expected<buffer> inflate_snappy(byte_view body, std::size_t max_bytes) {
  auto text = as_text(body);
  std::size_t bytes = 0;
  if (!snappy::GetUncompressedLength(text.data(), text.size(), &bytes))
    return broken("snappy");
  if (bytes > max_bytes)
    return too_large(max_bytes);
  buffer made;
  made.resize(bytes);
  if (!snappy::RawUncompress(text.data(), text.size(), reinterpret_cast<char*>(made.data())))
    return broken("snappy");
  return made;
}

} // namespace

expected<content_coding> parse_content_coding(std::string_view name) {
  auto is = [name](std::string_view coding) { return is_in_any_case(name, coding); };
  if (name.empty() || is("identity"))
    return content_coding::identity;
  if (is("gzip") || is("x-gzip"))
    return content_coding::gzip;
  if (is("zstd"))
    return content_coding::zstd;
  if (is("snappy"))
    return content_coding::snappy;
  return fail(errc::unknown_codec, fmt::format("`{}`: a body may be compressed by gzip, zstd or snappy", name));
}

expected<buffer> inflate(content_coding coding, byte_view body, std::size_t max_bytes) {
  switch (coding) {
  case content_coding::gzip:
    return inflate_gzip(body, max_bytes);
  case content_coding::zstd:
    return inflate_zstd(body, max_bytes);
  case content_coding::snappy:
    return inflate_snappy(body, max_bytes);
  case content_coding::identity:
    break;
  }
  if (body.size() > max_bytes)
    return too_large(max_bytes);
  buffer made;
  made.append(body);
  return made;
}

} // namespace sluice

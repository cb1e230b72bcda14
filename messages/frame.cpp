#include "messages/frame.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"
#include "messages/detail/label_codec.hpp"

namespace sluice {

namespace {

constexpr std::uint32_t magic = 0x52464C53; // "SLFR"
constexpr std::uint8_t version = 1;
constexpr std::size_t header_hash_offset = 120;

static_assert(label_set::max_encoded_bytes == frame_limits::max_header_bytes - frame_limits::fixed_header_bytes);

expected<void> check_length(std::string_view name, std::size_t value, std::size_t least, std::size_t most) {
  if (value < least)
    return fail(errc::malformed, fmt::format("frame: {} is {}, must be at least {}", name, value, least));
  if (value > most)
    return fail(errc::too_large, fmt::format("frame: {} is {}, may be at most {}", name, value, most));
  return {};
}

expected<void> check_lengths(std::size_t header_bytes, std::size_t payload_bytes, std::size_t decoded_bytes) {
  using namespace frame_limits;
  return check_length("header_bytes", header_bytes, fixed_header_bytes, max_header_bytes)
    .and_then([&] { return check_length("payload_bytes", payload_bytes, 1, max_payload_bytes); })
    .and_then([&] { return check_length("decoded_bytes", decoded_bytes, 1, max_decoded_bytes); });
}

/// What is wrong with the fields that a hash cannot vouch for.
std::optional<std::string> contradiction(const frame_header& header) {
  if (header.compression == codec::none && header.decoded_bytes != header.payload_bytes)
    return fmt::format(
      "frame: decoded_bytes is {}, but the uncompressed payload has {}", header.decoded_bytes, header.payload_bytes);
  if (header.epoch == 0)
    return "frame: epoch is 0, must be at least 1";
  if (header.sequence == 0)
    return "frame: sequence is 0, must be at least 1";
  if (header.kind > frame_kind::gap)
    return fmt::format("frame: kind is {}, must be 0 or 1", static_cast<unsigned>(header.kind));
  if (header.kind == frame_kind::gap && header.compression != codec::none)
    return "frame: a gap is compressed";
  if (header.kind == frame_kind::gap && header.payload_bytes > frame_limits::max_reason_bytes)
    return fmt::format("frame: the reason of a gap has {} bytes, may have at most {}", header.payload_bytes,
      frame_limits::max_reason_bytes);
  if (header.kind == frame_kind::records && header.record_count == 0)
    return "frame: record_count is 0, must be at least 1";
  if (header.first_timestamp > header.last_timestamp)
    return fmt::format("frame: first_timestamp {} is after last_timestamp {}",
      header.first_timestamp.time_since_epoch().count(), header.last_timestamp.time_since_epoch().count());
  if (header.position_begin > header.position_end)
    return fmt::format(
      "frame: position_end {} is before position_begin {}", header.position_end, header.position_begin);
  return {};
}

/// What is wrong with a payload that its hash cannot vouch for.
std::optional<std::string> contradiction(const frame_header& header, byte_view payload) {
  if (header.kind == frame_kind::gap && !is_gap_reason(as_text(payload)))
    return "frame: the reason of a gap may only have a to z and _";
  return {};
}

std::uint64_t header_hash(byte_view header) noexcept {
  return detail::hash64(header.first(header_hash_offset), header.subspan(frame_limits::fixed_header_bytes));
}

/// Writes everything up to the payload.
void write_header(buffer& to, const frame_header& header) {
  detail::byte_writer out{to};
  out.u32(magic);
  out.u8(version);
  out.u8(static_cast<std::uint8_t>(header.compression));
  out.u16(static_cast<std::uint16_t>(header.header_bytes));
  out.u32(header.payload_bytes);
  out.u32(header.decoded_bytes);
  out.stream(header.stream);
  out.u64(header.epoch);
  out.u64(header.sequence);
  out.u32(header.record_count);
  out.u32(static_cast<std::uint32_t>(header.labels.size()));
  out.time(header.first_timestamp);
  out.time(header.last_timestamp);
  out.u64(header.position_begin);
  out.u64(header.position_end);
  out.u64(header.payload_hash);
  out.u64(static_cast<std::uint64_t>(header.kind)); // and 7 reserved bytes
  out.u64(0);                                       // header_hash, once the labels are there
  detail::write_labels(out, header.labels);
  detail::store_le(to.data() + header_hash_offset, header_hash(to.view()));
}

/// Reads the labels, which must fill the rest of the header.
expected<label_set> read_header_labels(detail::byte_reader& in, std::uint32_t count) {
  if (count > label_set::max_labels)
    return fail(
      errc::malformed, fmt::format("frame: label_count is {}, may be at most {}", count, label_set::max_labels));
  auto labels = detail::read_labels(in, count);
  if (!labels)
    return fail(errc::malformed, "frame: " + labels.error().message);
  if (in.remaining() > 0)
    return fail(errc::malformed, fmt::format("frame: header has {} bytes behind its labels", in.remaining()));
  return labels;
}

} // namespace

expected<frame_extent> decode_frame_extent(byte_view bytes) {
  if (bytes.size() < frame_limits::extent_bytes)
    return fail(errc::truncated, fmt::format("frame: {} bytes do not hold a header", bytes.size()));
  detail::byte_reader in{bytes.first(frame_limits::extent_bytes)};
  if (auto found = in.u32(); found != magic)
    return fail(errc::bad_magic, fmt::format("frame: magic is {:#010x}, must be {:#010x}", found, magic));
  if (auto found = in.u8(); found != version)
    return fail(errc::unsupported_version, fmt::format("frame: version is {}, this build reads {}", found, version));
  in.u8(); // codec
  auto header_bytes = in.u16();
  auto payload_bytes = in.u32();
  auto decoded_bytes = in.u32();
  return check_lengths(header_bytes, payload_bytes, decoded_bytes).map([&] {
    return frame_extent{header_bytes, payload_bytes};
  });
}

expected<frame_header> decode_frame_header(byte_view bytes) {
  auto extent = decode_frame_extent(bytes);
  if (!extent)
    return fail(std::move(extent.error()));
  if (bytes.size() < extent->header_bytes)
    return fail(errc::truncated, fmt::format("frame: {} bytes of a header of {}", bytes.size(), extent->header_bytes));
  bytes = bytes.first(extent->header_bytes);
  auto hash = detail::load_le<std::uint64_t>(bytes.data() + header_hash_offset);
  if (auto actual = header_hash(bytes); hash != actual)
    return fail(
      errc::bad_checksum, fmt::format("frame: header_hash is {:#018x}, the header has {:#018x}", hash, actual));

  detail::byte_reader in{bytes};
  in.bytes(5); // magic and version
  frame_header header;
  header.compression = codec{in.u8()};
  header.header_bytes = in.u16();
  header.payload_bytes = in.u32();
  header.decoded_bytes = in.u32();
  header.stream = in.stream();
  header.epoch = in.u64();
  header.sequence = in.u64();
  header.record_count = in.u32();
  auto label_count = in.u32();
  header.first_timestamp = in.time();
  header.last_timestamp = in.time();
  header.position_begin = in.u64();
  header.position_end = in.u64();
  header.payload_hash = in.u64();
  auto kind_and_reserved = in.u64();
  in.u64(); // header_hash
  if (auto reserved = kind_and_reserved >> 8; reserved != 0)
    return fail(errc::malformed, fmt::format("frame: reserved is {:#x}, must be 0", reserved));
  header.kind = frame_kind{static_cast<std::uint8_t>(kind_and_reserved)};
  if (auto what = contradiction(header))
    return fail(errc::malformed, std::move(*what));
  auto labels = read_header_labels(in, label_count);
  if (!labels)
    return fail(std::move(labels.error()));
  header.labels = std::move(*labels);
  return header;
}

bool is_gap_reason(std::string_view text) noexcept {
  return !text.empty() && text.size() <= frame_limits::max_reason_bytes &&
         std::ranges::all_of(text, [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); });
}

expected<frame> frame::encode(frame_header header, byte_view payload) {
  auto header_bytes = frame_limits::fixed_header_bytes + header.labels.encoded_bytes();
  if (header.compression == codec::none)
    header.decoded_bytes = static_cast<std::uint32_t>(payload.size());
  if (auto ok = check_lengths(header_bytes, payload.size(), header.decoded_bytes); !ok)
    return fail(
      ok.error().code == errc::malformed ? errc::invalid_argument : ok.error().code, std::move(ok.error().message));
  header.header_bytes = static_cast<std::uint32_t>(header_bytes);
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  header.payload_hash = detail::hash64(payload);
  if (auto what = contradiction(header))
    return fail(errc::invalid_argument, std::move(*what));
  if (auto what = contradiction(header, payload))
    return fail(errc::invalid_argument, std::move(*what));

  buffer bytes{header.frame_bytes()};
  write_header(bytes, header);
  bytes.append(payload);
  frame result;
  result.header_ = std::move(header);
  result.bytes_ = share(std::move(bytes));
  return result;
}

expected<frame> frame::decode(shared_buffer bytes) {
  auto view = bytes ? bytes->view() : byte_view{};
  auto header = decode_frame_header(view);
  if (!header)
    return fail(std::move(header.error()));
  auto frame_bytes = header->frame_bytes();
  if (view.size() < frame_bytes)
    return fail(errc::truncated, fmt::format("frame: {} bytes of {}", view.size(), frame_bytes));
  if (view.size() > frame_bytes)
    return fail(errc::malformed, fmt::format("frame: {} bytes behind its end", view.size() - frame_bytes));
  if (auto actual = detail::hash64(view.subspan(header->header_bytes)); actual != header->payload_hash)
    return fail(errc::bad_checksum,
      fmt::format("frame: payload_hash is {:#018x}, the payload has {:#018x}", header->payload_hash, actual));
  if (auto what = contradiction(*header, view.subspan(header->header_bytes)))
    return fail(errc::malformed, std::move(*what));
  frame result;
  result.header_ = std::move(*header);
  result.bytes_ = std::move(bytes);
  return result;
}

} // namespace sluice

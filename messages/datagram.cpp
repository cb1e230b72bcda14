#include "messages/datagram.hpp"

#include "messages/detail/endian.hpp"
#include "messages/detail/hash.hpp"

namespace sluice {

namespace {

using datagram_limits::head_bytes;

constexpr std::uint32_t magic = 0x47444c53; // "SLDG"
constexpr std::uint8_t version = 1;
constexpr std::uint8_t last_flag = 1, asks_flag = 2;
constexpr std::size_t check_offset = 56;

std::uint32_t check_of(byte_view head, byte_view payload) noexcept {
  return static_cast<std::uint32_t>(detail::hash64(head.first(check_offset), payload));
}

/// Whether only those fields are set that the kind has.
bool is_sound(const datagram_head& head, std::size_t payload_bytes) noexcept {
  auto is_data = head.kind == datagram_kind::data;
  if (is_data ? head.number == 0 || (payload_bytes == 0 && !head.last) : head.number != 0 || payload_bytes > 0)
    return false;
  if ((head.last && !is_data) || (head.asks && head.kind != datagram_kind::ack))
    return false;
  if (head.kind == datagram_kind::open)
    return head == datagram_head{.kind = datagram_kind::open, .connection = head.connection};
  return head.kind > datagram_kind::open && head.kind <= datagram_kind::close && head.token != 0;
}

} // namespace

std::array<std::byte, head_bytes> encode_datagram_head(const datagram_head& head, byte_view payload) {
  std::array<std::byte, head_bytes> made{};
  auto* to = made.data();
  detail::store_le(to, magic);
  detail::store_le(to + 4, version);
  detail::store_le(to + 5, static_cast<std::uint8_t>(head.kind));
  detail::store_le(to + 6, static_cast<std::uint8_t>((head.last ? last_flag : 0) | (head.asks ? asks_flag : 0)));
  to += 8;
  for (auto field : {head.connection, head.token, head.number, head.acked, head.selective, head.limit_bytes}) {
    detail::store_le(to, field);
    to += sizeof field;
  }
  detail::store_le(to, check_of(made, payload));
  return made;
}

expected<datagram> decode_datagram(byte_view bytes) {
  if (bytes.size() < head_bytes)
    return fail(errc::truncated, "datagram: shorter than its header");
  detail::byte_reader in{bytes};
  if (in.u32() != magic)
    return fail(errc::bad_magic, "datagram: not of a link");
  if (in.u8() != version)
    return fail(errc::unsupported_version, "datagram: of another version");
  datagram found;
  auto& head = found.head;
  head.kind = datagram_kind{in.u8()};
  auto flags = in.u8();
  auto zero = in.u8();
  head.last = (flags & last_flag) != 0;
  head.asks = (flags & asks_flag) != 0;
  for (auto* field : {&head.connection, &head.token, &head.number, &head.acked, &head.selective, &head.limit_bytes})
    *field = in.u64();
  auto check = in.u32();
  found.payload = in.rest();
  if (check != check_of(bytes, found.payload))
    return fail(errc::bad_checksum, "datagram: its check does not fit");
  if (flags > (last_flag | asks_flag) || zero != 0 || !is_sound(head, found.payload.size()))
    return fail(errc::malformed, "datagram: its fields do not fit its kind");
  return found;
}

} // namespace sluice

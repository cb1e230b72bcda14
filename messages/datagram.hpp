#pragma once

#include <array>
#include <cstdint>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"

/// The datagrams of links over UDP and their bytes, without any input or output. Format: docs/specs/datagram.md.

namespace sluice {

enum class datagram_kind : std::uint8_t { open = 1, token = 2, data = 3, ack = 4, close = 5 };

/// All of a datagram but its payload.
struct datagram_head {
  datagram_kind kind = datagram_kind::ack;
  bool last = false;             ///< Of data: nothing follows.
  bool asks = false;             ///< Of an ack: wants one back.
  std::uint64_t connection = 0;  ///< Chosen by the connecting side.
  std::uint64_t token = 0;       ///< Chosen by the accepting side.
  std::uint64_t number = 0;      ///< Of data, from 1.
  std::uint64_t acked = 0;       ///< All up to this have come.
  std::uint64_t selective = 0;   ///< Bit i: number acked + 2 + i has come, too.
  std::uint64_t limit_bytes = 0; ///< That the peer may have sent altogether.

  friend bool operator==(const datagram_head&, const datagram_head&) = default;
};

namespace datagram_limits {
inline constexpr std::size_t head_bytes = 60;
inline constexpr std::size_t max_bytes = 65'507;      ///< The longest that UDP takes.
inline constexpr std::size_t max_sent_bytes = 32'768; ///< That we send.
inline constexpr std::size_t usual_bytes = 1'400;     ///< That a path is taken to take.
inline constexpr std::size_t least_bytes = 508;       ///< That every path takes.
} // namespace datagram_limits

/// What goes before `payload`.
std::array<std::byte, datagram_limits::head_bytes> encode_datagram_head(const datagram_head& head, byte_view payload);

struct datagram {
  datagram_head head;
  byte_view payload; ///< Within what was decoded.
};

/// Errors: truncated, bad_magic, unsupported_version, bad_checksum, malformed.
expected<datagram> decode_datagram(byte_view bytes);

} // namespace sluice

#pragma once

#include <variant>

#include "messages/frame.hpp"
#include "messages/stream.hpp"

/// The messages of the link protocol and their bytes, without any input or output. Format: docs/specs/protocol.md.

namespace sluice {

/// A word to the peer's operator.
struct notice {
  error reason;
  bool closing = false; ///< The sender closes the connection after it.
  friend bool operator==(const notice&, const notice&) = default;
};

struct heartbeat {
  friend bool operator==(const heartbeat&, const heartbeat&) = default;
};

using link_message = std::variant<hello, welcome, frame, ack, notice, heartbeat>;

/// Which end of a connection. The connecting side ships, the accepting side receives.
enum class link_side : std::uint8_t { shipper, receiver };

namespace protocol_limits {
inline constexpr std::size_t preface_bytes = 8;
inline constexpr std::size_t message_header_bytes = 12;
inline constexpr std::size_t max_notice_text_bytes = 1024;
} // namespace protocol_limits

/// The eight bytes with which each side begins.
byte_view preface();

/// Checks a peer's preface, or the part of it that has come. Errors: foreign_protocol, as soon as it can be told, whose
/// message names what the peer seems to speak instead; unsupported_version; truncated if all is right so far.
expected<void> check_preface(byte_view bytes);

/// Everything of `message` that precedes the bulk: the whole encoding but for a frame's own bytes, which the caller
/// sends behind it from `frame::bytes()`, uncopied. The text of a notice is cut, and its bytes replaced where they are
/// not UTF-8, so that the peer accepts it.
buffer encode_head(const link_message& message);

/// Takes the bytes that a peer sends, in pieces of any size, into messages. No I/O: the caller reads into `want()` and
/// says how much with `fed()`. Frames are read straight into the buffer that they keep; it grows by doubling from about
/// 1 MiB as it fills, so that memory follows what has come, not what was announced. Not thread-safe.
class message_decoder {
public:
  /// `peer` is the side that sends the bytes.
  explicit message_decoder(link_side peer);

  /// Where the next bytes go; never empty.
  std::span<std::byte> want();

  /// Says that the first `bytes` of `want()` were filled. Returns whether a message is complete, or why the
  /// connection must end: too_large, bad_checksum, protocol_violation, malformed, and what `frame::decode` finds.
  expected<bool> fed(std::size_t bytes);

  /// The complete message and its size on the wire; call once after `fed` has returned true, before `want`.
  std::pair<link_message, std::size_t> take();

  /// Whether the peer may end here without having cut a message.
  bool at_boundary() const noexcept { return part_ == part::head && filled_ == 0; }

  /// Bytes of memory that the message in progress has.
  std::size_t capacity() const noexcept { return body_.capacity(); }

private:
  /// The parts of a message; only a frame has an extent, which is read before room is made for the rest.
  enum class part : std::uint8_t { head, extent, body };

  std::size_t part_bytes() const noexcept;
  std::size_t body_bytes() const noexcept;
  expected<bool> end_head();
  expected<bool> end_extent();
  expected<bool> end_body();
  void make_room(std::size_t bytes);

  link_side peer_;
  part part_ = part::head;
  std::size_t filled_ = 0; ///< Of the head, or of the body.
  std::array<std::byte, protocol_limits::message_header_bytes> head_{};
  buffer body_;
  link_message message_;
};

template <class Inspector>
bool inspect(Inspector& f, notice& x) {
  return f.object(x).fields(f.field("reason", x.reason), f.field("closing", x.closing));
}

} // namespace sluice

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

/// Every way in which a Sluice operation fails. The numbers are stable: they travel in notices
/// (docs/specs/protocol.md) and label metrics.
enum class errc : std::uint16_t {
  none = 0,
  truncated = 1,            ///< The data ends before what its lengths announce.
  bad_magic = 2,            ///< Not the format that was expected.
  unsupported_version = 3,  ///< Made by a newer Sluice.
  too_large = 4,            ///< A length exceeds its bound.
  bad_checksum = 5,         ///< Bits have changed since it was written.
  malformed = 6,            ///< Fields contradict each other or the specification.
  unknown_codec = 7,        ///< Compressed by a codec that this build does not have.
  decompression_failed = 8, ///< The compressed payload is not what its header says.
  protocol_violation = 9,   ///< A peer sent what it must not send now.
  foreign_protocol = 10,    ///< The peer does not speak Sluice.
  timed_out = 11,           ///< A deadline has passed.
  connection_lost = 12,     ///< The peer closed or reset the connection.
  unreachable = 13,         ///< No connection could be made.
  sequence_gap = 14,        ///< A frame does not follow the last one stored.
  stale_epoch = 15,         ///< A newer incarnation of the stream has taken over.
  storage_full = 16,        ///< No space left for frames.
  io_error = 17,            ///< The operating system failed an operation.
  not_found = 18,           ///< No such file or folder.
  permission_denied = 19,   ///< The operating system forbids it.
  locked = 20,              ///< Another process has the resource.
  invalid_argument = 21,    ///< A value from the user is not acceptable.
  shutting_down = 22,       ///< The peer is draining and takes no more.
  not_rereadable = 23,      ///< The source cannot go back to where the receiver wants to resume.
  address_in_use = 24,      ///< Another process listens there.
  is_a_directory = 25,      ///< A file was expected.
  overloaded = 26,          ///< No room for more at present; the same may be tried again later.
  actor_failed = 27,        ///< A part of the process kept failing, however often it was started again.
  untrusted = 28,           ///< A certificate is not good enough to believe who the peer is, or ours is not for the peer.
};

/// The identifier of `code` as in this enum, used in logs and as metric label.
std::string_view to_string(errc code) noexcept;

/// What failed (`code`) and a sentence for the operator: what, where, and what to do.
struct error {
  errc code = errc::none;
  std::string message;

  friend bool operator==(const error&, const error&) = default;
};

} // namespace sluice

#include "messages/errc.hpp"

namespace sluice {

std::string_view to_string(errc code) noexcept {
  switch (code) {
  case errc::none:
    return "none";
  case errc::truncated:
    return "truncated";
  case errc::bad_magic:
    return "bad_magic";
  case errc::unsupported_version:
    return "unsupported_version";
  case errc::too_large:
    return "too_large";
  case errc::bad_checksum:
    return "bad_checksum";
  case errc::malformed:
    return "malformed";
  case errc::unknown_codec:
    return "unknown_codec";
  case errc::decompression_failed:
    return "decompression_failed";
  case errc::protocol_violation:
    return "protocol_violation";
  case errc::foreign_protocol:
    return "foreign_protocol";
  case errc::timed_out:
    return "timed_out";
  case errc::connection_lost:
    return "connection_lost";
  case errc::unreachable:
    return "unreachable";
  case errc::sequence_gap:
    return "sequence_gap";
  case errc::stale_epoch:
    return "stale_epoch";
  case errc::storage_full:
    return "storage_full";
  case errc::io_error:
    return "io_error";
  case errc::not_found:
    return "not_found";
  case errc::permission_denied:
    return "permission_denied";
  case errc::locked:
    return "locked";
  case errc::invalid_argument:
    return "invalid_argument";
  case errc::shutting_down:
    return "shutting_down";
  case errc::not_rereadable:
    return "not_rereadable";
  case errc::address_in_use:
    return "address_in_use";
  case errc::is_a_directory:
    return "is_a_directory";
  case errc::overloaded:
    return "overloaded";
  case errc::actor_failed:
    return "actor_failed";
  case errc::untrusted:
    return "untrusted";
  }
  return "unknown";
}

} // namespace sluice

#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "messages/record_codec.hpp"
#include "transport/intake.hpp"

namespace sluice {

/// What became of the bytes of one peer, as far as it is worth counting.
struct intake_counts {
  std::uint64_t unparsed = 0;  ///< Records that are stored as they came, for they have no form that is known.
  std::uint64_t too_large = 0; ///< Messages that were cut.
  std::uint64_t malformed = 0; ///< Peers that broke the framing.
};

/// Makes records of what the peers of a listener send: one per lane (syslog, lines). Not thread-safe.
class record_source {
public:
  /// The record holds until `take` returns.
  using take_record = std::function<void(const record_view& record)>;

  virtual ~record_source() = default;

  virtual void open(peer_id peer, std::string_view name) = 0;
  virtual void feed(peer_id peer, std::string_view bytes, timestamp now, const take_record& take) = 0;

  /// One message, whole.
  virtual void datagram(std::string_view message, timestamp now, const take_record& take) = 0;

  /// Nothing more comes from the peer.
  virtual void close(peer_id peer, timestamp now, const take_record& take) = 0;

  /// Nothing more comes from anybody.
  virtual void close_all(timestamp now, const take_record& take) = 0;

  /// Since the last time.
  virtual intake_counts take_counts() = 0;
};

} // namespace sluice

#pragma once

#include <array>
#include <cstdint>

#include <boost/asio/ip/udp.hpp>

#include "transport/datagram_timing.hpp"

namespace sluice {

/// Proofs that a peer receives where it says to be (docs/specs/datagram.md). Nothing is kept of what was given out. Not
/// thread-safe.
class datagram_tokens {
public:
  datagram_tokens();

  /// Within which a token holds at least, and twice which at most.
  static constexpr auto step = std::chrono::seconds{10};

  std::uint64_t make(
    const boost::asio::ip::udp::endpoint& peer, std::uint64_t connection, datagram_clock::time_point now) const;

  /// Whether it was made for the same not long ago.
  bool is_right(std::uint64_t token, const boost::asio::ip::udp::endpoint& peer, std::uint64_t connection,
    datagram_clock::time_point now) const;

private:
  std::array<unsigned char, 32> key_{};
};

} // namespace sluice

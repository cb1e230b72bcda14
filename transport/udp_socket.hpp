#pragma once

#include <functional>
#include <optional>

#include <boost/asio/ip/udp.hpp>

#include "messages/errc.hpp"
#include "transport/endpoint.hpp"

namespace sluice {

/// Opens a socket that does not block, gets datagrams for `where`, counts what the kernel drops, and holds
/// `buffer_bytes` of them, as far as the system allows. Returns where it listens. `take_share` may give a descriptor of
/// a socket that is bound there already; -1 if there is none. Errors: address_in_use, permission_denied,
/// invalid_argument, io_error.
expected<endpoint> bind_udp(boost::asio::ip::udp::socket& socket, const endpoint& where, std::size_t buffer_bytes,
  const std::function<int(const boost::asio::ip::udp::endpoint&)>& take_share = {});

/// What the kernel has dropped since the socket was opened, modulo 2^32.
std::optional<std::uint32_t> dropped_by_kernel(boost::asio::ip::udp::socket& socket);

/// The longest datagram that goes to the peer of a connected socket without fragments; none if it is not known.
std::optional<std::size_t> path_bytes(boost::asio::ip::udp::socket& socket);

} // namespace sluice

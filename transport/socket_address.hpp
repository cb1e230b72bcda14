#pragma once

#include <boost/asio/ip/address.hpp>

#include "transport/endpoint.hpp"

namespace sluice {

/// A peer's address as it is shown; one of IPv4 as such, also where it came over IPv6.
inline endpoint to_endpoint(const std::string& scheme, boost::asio::ip::address address, std::uint16_t port) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  return {scheme, address.to_string(), port};
}

} // namespace sluice

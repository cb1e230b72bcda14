#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "messages/protocol.hpp"

namespace sluice {

/// Notices within half a minute that the machine of the peer is gone.
void set_keep_alive(boost::asio::ip::tcp::socket& socket);

/// Keeps alive as above, and sends without delay.
void set_link_options(boost::asio::ip::tcp::socket& socket, link_side side);

} // namespace sluice

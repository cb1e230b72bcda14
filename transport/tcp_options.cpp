#include "transport/tcp_options.hpp"

#include <netinet/tcp.h>

namespace sluice {

namespace {

void set_option(int socket, int level, int name, int value) {
  ::setsockopt(socket, level, name, &value, sizeof value);
}

} // namespace

void set_keep_alive(boost::asio::ip::tcp::socket& socket) {
  auto number = socket.native_handle();
  set_option(number, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(number, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set_option(number, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set_option(number, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

void set_link_options(boost::asio::ip::tcp::socket& socket, link_side side) {
  auto number = socket.native_handle();
  set_option(number, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keep_alive(socket);
  // A receiver that has no credit closes its window for as long as it likes, which this option would take for death. So
  // it is for the side that sends only what is read soon; the shipper notices a dead peer by its silence.
  if (side == link_side::receiver)
    set_option(number, IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
}

} // namespace sluice

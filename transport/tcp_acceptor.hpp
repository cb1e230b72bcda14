#pragma once

#include <functional>
#include <memory>

#include <boost/asio/ip/tcp.hpp>

#include "messages/errc.hpp"
#include "transport/endpoint.hpp"

namespace sluice {

class network_engine;

/// Accepts TCP connections until it is destroyed; none is handed on after that. The port is free then.
class tcp_acceptor {
public:
  /// Called on the engine's thread.
  using handler = std::function<void(boost::asio::ip::tcp::socket socket, endpoint peer)>;

  /// One that `takes_over` shares the socket of another one at the same address, if there is any. Errors:
  /// address_in_use, permission_denied, invalid_argument, io_error.
  static expected<std::unique_ptr<tcp_acceptor>> open(
    const std::shared_ptr<network_engine>& engine, const endpoint& where, bool takes_over, handler on_accept);

  ~tcp_acceptor();

  /// With the actual port when 0 was asked for.
  const endpoint& local() const noexcept { return local_; }

private:
  struct accepting;

  tcp_acceptor(std::shared_ptr<network_engine> engine, const endpoint& where);

  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<accepting> accepting_;
  endpoint local_;
};

} // namespace sluice

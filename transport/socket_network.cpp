#include "transport/socket_network.hpp"

#include <fmt/format.h>

#include "transport/http_server.hpp"
#include "transport/link_connection.hpp"
#include "transport/local_links.hpp"
#include "transport/network_engine.hpp"
#include "transport/tcp_acceptor.hpp"
#include "transport/tcp_byte_listener.hpp"
#include "transport/udp_listener.hpp"
#include "transport/udp_port.hpp"

namespace sluice {

namespace {

class socket_link final : public link {
public:
  socket_link(std::shared_ptr<network_engine> owner, std::shared_ptr<link_connection> connection)
    : engine_{std::move(owner)}, connection_{std::move(connection)} {}

  ~socket_link() override { connection_->release(); }

  void start(std::shared_ptr<link_handler> handler) override { connection_->start(std::move(handler)); }
  std::size_t send(link_message message) override { return connection_->send(std::move(message)); }
  void grant(std::size_t bytes) override { connection_->grant(bytes); }
  const std::string& peer() const noexcept override { return connection_->peer(); }

private:
  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<link_connection> connection_;
};

class tcp_listener final : public listener {
public:
  explicit tcp_listener(std::unique_ptr<tcp_acceptor> acceptor) : acceptor_{std::move(acceptor)} {}

  const endpoint& local() const noexcept override { return acceptor_->local(); }

private:
  std::unique_ptr<tcp_acceptor> acceptor_;
};

class udp_link_listener final : public listener {
public:
  udp_link_listener(std::shared_ptr<network_engine> owner, std::shared_ptr<udp_port> port, endpoint local)
    : engine_{std::move(owner)}, port_{std::move(port)}, local_{std::move(local)} {}

  ~udp_link_listener() override { port_->stop(); }

  const endpoint& local() const noexcept override { return local_; }

private:
  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<udp_port> port_;
  endpoint local_;
};

std::unique_ptr<link> make_link(const std::shared_ptr<network_engine>& engine, link_side side, lane_socket stream,
  endpoint peer, const link_options& options) {
  return std::make_unique<socket_link>(
    engine, std::make_shared<link_connection>(side, std::move(stream), std::move(peer), options, engine->room));
}

} // namespace

socket_network::socket_network(std::size_t max_large_message_bytes)
  : engine_{std::make_shared<network_engine>(max_large_message_bytes)}, local_{std::make_shared<local_links>(engine_)} {
}

socket_network::~socket_network() {
  engine_->stop();
}

std::unique_ptr<link> socket_network::connect(const endpoint& peer, const link_options& options) {
  if (peer.scheme == "local")
    return local_->connect(peer);
  auto stream = peer.scheme == "udp" ? lane_socket{std::make_shared<udp_stream>(*engine_)}
                                     : lane_socket{boost::asio::ip::tcp::socket{engine_->io}};
  return make_link(engine_, link_side::shipper, std::move(stream), peer, options);
}

expected<std::unique_ptr<listener>> socket_network::listen(
  const endpoint& where, const link_options& options, accept_handler on_accept) {
  if (where.scheme == "local")
    return local_->listen(where, std::move(on_accept));
  if (!is_link_scheme(where.scheme))
    return fail(errc::invalid_argument,
      fmt::format("{}: unknown scheme; links are accepted on tcp, tls and udp", to_string(where)));
  if (where.scheme == "tls" && !options.tls)
    return fail(errc::invalid_argument, fmt::format("{}: TLS needs a certificate and its key", to_string(where)));
  // Weak, for the engine's io_context holds the callback.
  auto admit = [engine = std::weak_ptr{engine_}, options, on_accept = std::move(on_accept)](
                 auto socket, endpoint peer) {
    if (auto owner = engine.lock())
      on_accept(make_link(owner, link_side::receiver, lane_socket{std::move(socket)}, std::move(peer), options));
  };
  if (where.scheme == "udp") {
    auto port = std::make_shared<udp_port>(*engine_);
    return port->listen(where, std::move(admit)).map([&](endpoint local) -> std::unique_ptr<listener> {
      return std::make_unique<udp_link_listener>(engine_, port, std::move(local));
    });
  }
  return tcp_acceptor::open(engine_, where, options.takes_over, std::move(admit))
    .map([](std::unique_ptr<tcp_acceptor> acceptor) {
      return std::unique_ptr<listener>{std::make_unique<tcp_listener>(std::move(acceptor))};
    });
}

tls_contexts& socket_network::tls() noexcept {
  return *engine_->tls;
}

datagram_tally& socket_network::datagrams() noexcept {
  return engine_->datagrams;
}

expected<std::unique_ptr<intake_listener>> socket_network::listen(
  const endpoint& where, const byte_options& options, std::shared_ptr<byte_handler> handler) {
  return tcp_byte_listener::open(engine_, where, options, std::move(handler));
}

expected<std::unique_ptr<intake_listener>> socket_network::listen(
  const endpoint& where, const datagram_options& options, std::shared_ptr<datagram_handler> handler) {
  return udp_listener::open(engine_, where, options, std::move(handler));
}

expected<std::unique_ptr<http_listener>> socket_network::listen(
  const endpoint& where, const http_options& options, std::shared_ptr<http_handler> handler) {
  return http_server::open(engine_, where, options, std::move(handler));
}

} // namespace sluice

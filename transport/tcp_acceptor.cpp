#include "transport/tcp_acceptor.hpp"

#include <mutex>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "transport/handler_gate.hpp"
#include "transport/listen_error.hpp"
#include "transport/listening_sockets.hpp"
#include "transport/network_engine.hpp"
#include "transport/socket_address.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto accept_pause = std::chrono::milliseconds{100};

tcp::endpoint resolve(asio::io_context& io, const endpoint& where, error_code& failure) {
  error_code not_numeric;
  auto address = asio::ip::make_address(where.host, not_numeric);
  if (!not_numeric)
    return {address, where.port};
  tcp::resolver resolver{io};
  auto found = resolver.resolve(where.host, std::to_string(where.port), tcp::resolver::passive, failure);
  return failure ? tcp::endpoint{} : found.begin()->endpoint();
}

std::string name_of(const tcp::endpoint& address) {
  return fmt::format("tcp {} {}", address.address().to_string(), address.port());
}

} // namespace

/// Lives until its last callback. The mutex guards the acceptor, so that any thread may close it at once and the port
/// is free when the listener is gone.
struct tcp_acceptor::accepting final : shared_socket, std::enable_shared_from_this<accepting> {
  accepting(const std::shared_ptr<network_engine>& owner, std::string scheme)
    : engine_{owner}, scheme_{std::move(scheme)}, acceptor{owner->io}, retry_{owner->io} {}

  void next() {
    std::lock_guard guard{mutex_};
    if (acceptor.is_open())
      acceptor.async_accept([self = shared_from_this()](const error_code& failure, tcp::socket socket) {
        self->accepted(failure, std::move(socket));
      });
  }

  void accepted(const error_code& failure, tcp::socket socket) {
    if (failure && failure != asio::error::connection_aborted)
      return pause(failure);
    if (!failure) {
      exhausted_ = false;
      admit(std::move(socket));
    }
    next();
  }

  void admit(tcp::socket socket) {
    error_code failure;
    auto remote = socket.remote_endpoint(failure);
    auto owner = engine_.lock(); // what is made of the socket needs it
    if (failure || !owner)
      return;
    gate.pass(
      [&](handler& on_accept) { on_accept(std::move(socket), to_endpoint(scheme_, remote.address(), remote.port())); });
  }

  /// Most likely out of descriptors: the connections wait in the backlog until some are closed.
  void pause(const error_code& why) {
    std::lock_guard guard{mutex_};
    if (!acceptor.is_open())
      return;
    if (!std::exchange(exhausted_, true))
      spdlog::warn("cannot accept connections: {}; trying again", why.message());
    retry_.expires_after(accept_pause);
    retry_.async_wait([self = shared_from_this()](const error_code&) { self->next(); });
  }

  void listen(const tcp::endpoint& where, error_code& failure) {
    acceptor.open(where.protocol(), failure);
    if (!failure)
      acceptor.set_option(tcp::acceptor::reuse_address{true}, failure);
    if (!failure)
      acceptor.bind(where, failure);
    if (!failure)
      acceptor.listen(tcp::acceptor::max_listen_connections, failure);
  }

  /// Listens on a socket that does already.
  void share(int socket, const tcp::endpoint& where, error_code& failure) {
    acceptor.assign(where.protocol(), socket, failure);
    if (failure)
      ::close(socket);
  }

  int duplicate() override {
    std::lock_guard guard{mutex_};
    return acceptor.is_open() ? shared_socket::duplicate(acceptor.native_handle()) : -1;
  }

  void stop() {
    gate.shut();
    std::lock_guard guard{mutex_};
    close_shared(acceptor);
    retry_.cancel();
  }

  std::weak_ptr<network_engine> engine_; ///< Weak, for the engine's io_context holds the callbacks that hold this.
  std::string scheme_;
  std::mutex mutex_;
  tcp::acceptor acceptor;
  asio::steady_timer retry_;
  bool exhausted_ = false;
  handler_gate<handler> gate;
};

tcp_acceptor::tcp_acceptor(std::shared_ptr<network_engine> engine, const endpoint& where)
  : engine_{std::move(engine)}, accepting_{std::make_shared<accepting>(engine_, where.scheme)} {}

tcp_acceptor::~tcp_acceptor() {
  accepting_->stop();
}

expected<std::unique_ptr<tcp_acceptor>> tcp_acceptor::open(
  const std::shared_ptr<network_engine>& engine, const endpoint& where, bool takes_over, handler on_accept) {
  std::unique_ptr<tcp_acceptor> made{new tcp_acceptor{engine, where}};
  auto& accepting = *made->accepting_;
  accepting.gate.open(std::make_shared<handler>(std::move(on_accept)));
  error_code failure;
  auto address = resolve(engine->io, where, failure);
  listening_sockets::share present;
  if (takes_over && !failure)
    present = engine->listening.take_share(name_of(address));
  if (present.with)
    accepting.share(present.descriptor, address, failure);
  else if (!failure)
    accepting.listen(address, failure);
  if (!failure)
    address = accepting.acceptor.local_endpoint(failure);
  if (failure)
    return cannot_listen(where, failure);
  made->local_ = {where.scheme, where.host, address.port()};
  engine->listening.add(name_of(address), made->accepting_);
  accepting.next();
  return made;
}

} // namespace sluice

#include "transport/tcp_network.hpp"

#include <future>
#include <mutex>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "transport/tcp_connection.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto accept_pause = std::chrono::milliseconds{100};
constexpr auto stop_timeout = std::chrono::milliseconds{1'200}; // a link closes within a second

endpoint to_endpoint(const tcp::endpoint& from) {
  auto address = from.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  return {"tcp", address.to_string(), from.port()};
}

tl::unexpected<error> cannot_listen(const endpoint& where, const error_code& why) {
  auto code = errc::io_error;
  if (why == asio::error::address_in_use)
    code = errc::address_in_use;
  else if (why == asio::error::access_denied)
    code = errc::permission_denied;
  else if (why.category() != asio::error::get_system_category() || why.value() == EADDRNOTAVAIL)
    code = errc::invalid_argument;
  return fail(code, fmt::format("{}: cannot listen: {}", to_string(where), why.message()));
}

} // namespace

/// The io_context and the thread that runs it.
class tcp_network::engine {
public:
  explicit engine(std::size_t max_large_message_bytes)
    : room{std::make_shared<large_messages>(max_large_message_bytes)}, work_{io.get_executor()}, thread_{
                                                                                                   [this] { run(); }} {}

  void stop() {
    work_.reset();
    if (ended_.get_future().wait_for(stop_timeout) != std::future_status::ready)
      io.stop();
    thread_.join();
  }

  asio::io_context io{1};
  const std::shared_ptr<large_messages> room;

private:
  void run() {
    io.run();
    ended_.set_value();
  }

  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::promise<void> ended_;
  std::thread thread_;
};

class tcp_network::tcp_link final : public link {
public:
  tcp_link(std::shared_ptr<engine> owner, std::shared_ptr<tcp_connection> connection)
    : engine_{std::move(owner)}, connection_{std::move(connection)} {}

  ~tcp_link() override { connection_->release(); }

  void start(std::shared_ptr<link_handler> handler) override { connection_->start(std::move(handler)); }
  std::size_t send(link_message message) override { return connection_->send(std::move(message)); }
  void grant(std::size_t bytes) override { connection_->grant(bytes); }
  const std::string& peer() const noexcept override { return connection_->peer(); }

private:
  std::shared_ptr<engine> engine_;
  std::shared_ptr<tcp_connection> connection_;
};

class tcp_network::tcp_listener final : public listener {
public:
  tcp_listener(std::shared_ptr<engine> owner, const link_options& options, accept_handler on_accept)
    : engine_{std::move(owner)}, accepting_{std::make_shared<accepting>(engine_, options)} {
    accepting_->handler.open(std::make_shared<accept_handler>(std::move(on_accept)));
  }

  ~tcp_listener() override { accepting_->stop(); }

  expected<void> open(const endpoint& where) {
    error_code failure;
    auto address = resolve(where, failure);
    auto& acceptor = accepting_->acceptor;
    if (!failure)
      acceptor.open(address.protocol(), failure);
    if (!failure)
      acceptor.set_option(tcp::acceptor::reuse_address{true}, failure);
    if (!failure)
      acceptor.bind(address, failure);
    if (!failure)
      acceptor.listen(tcp::acceptor::max_listen_connections, failure);
    if (!failure)
      local_ = {where.scheme, where.host, acceptor.local_endpoint(failure).port()};
    if (failure)
      return cannot_listen(where, failure);
    accepting_->next();
    return {};
  }

  const endpoint& local() const noexcept override { return local_; }

private:
  tcp::endpoint resolve(const endpoint& where, error_code& failure) {
    error_code not_numeric;
    auto address = asio::ip::make_address(where.host, not_numeric);
    if (!not_numeric)
      return {address, where.port};
    tcp::resolver resolver{engine_->io};
    auto found = resolver.resolve(where.host, std::to_string(where.port), tcp::resolver::passive, failure);
    return failure ? tcp::endpoint{} : found.begin()->endpoint();
  }

  /// Lives until its last callback. The mutex guards the acceptor, so that any thread may close it at once and the port
  /// is free when the listener is gone.
  struct accepting : std::enable_shared_from_this<accepting> {
    accepting(const std::shared_ptr<engine>& owner, const link_options& options)
      : engine_{owner}, options_{options}, acceptor{owner->io}, retry_{owner->io} {}

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
      auto owner = engine_.lock();
      if (failure || !owner)
        return; // gone already
      handler.pass([&](accept_handler& on_accept) {
        on_accept(std::make_unique<tcp_link>(
          owner, std::make_shared<tcp_connection>(std::move(socket), to_endpoint(remote), options_, owner->room)));
      });
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

    void stop() {
      handler.shut();
      std::lock_guard guard{mutex_};
      error_code ignored;
      acceptor.close(ignored);
      retry_.cancel();
    }

    std::weak_ptr<engine> engine_; ///< Weak, for the engine's io_context holds the callbacks that hold this.
    link_options options_;
    std::mutex mutex_;
    tcp::acceptor acceptor;
    asio::steady_timer retry_;
    bool exhausted_ = false;
    handler_gate<accept_handler> handler;
  };

  std::shared_ptr<engine> engine_;
  std::shared_ptr<accepting> accepting_;
  endpoint local_;
};

tcp_network::tcp_network(std::size_t max_large_message_bytes)
  : engine_{std::make_shared<engine>(max_large_message_bytes)} {}

tcp_network::~tcp_network() {
  engine_->stop();
}

std::unique_ptr<link> tcp_network::connect(const endpoint& peer, const link_options& options) {
  return std::make_unique<tcp_link>(
    engine_, std::make_shared<tcp_connection>(engine_->io, peer, options, engine_->room));
}

expected<std::unique_ptr<listener>> tcp_network::listen(
  const endpoint& where, const link_options& options, accept_handler on_accept) {
  if (where.scheme != "tcp")
    return fail(errc::invalid_argument, fmt::format("{}: unknown scheme; this node listens on tcp", to_string(where)));
  auto result = std::make_unique<tcp_listener>(engine_, options, std::move(on_accept));
  if (auto opened = result->open(where); !opened)
    return fail(opened.error());
  return result;
}

} // namespace sluice

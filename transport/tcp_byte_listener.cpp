#include "transport/tcp_byte_listener.hpp"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "transport/handler_gate.hpp"
#include "transport/lane_socket.hpp"
#include "transport/network_engine.hpp"
#include "transport/tcp_acceptor.hpp"
#include "transport/tcp_options.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

} // namespace

/// All connections of a listener. Everything but `grant`, `finish` and `close` happens on the engine's thread.
/// Callbacks keep it alive.
class tcp_byte_listener::peers : public std::enable_shared_from_this<peers> {
public:
  peers(
    const std::shared_ptr<network_engine>& engine, const byte_options& options, std::shared_ptr<byte_handler> handler)
    : io_{engine->io}, options_{options} {
    handler_.open(std::move(handler));
    room_.resize(options_.read_bytes);
  }

  void admit(tcp::socket accepted, const endpoint& from) {
    auto name = fmt::format("{}:{}", from.host, from.port);
    if (auto count = sockets_.size() + handshakes_.size(); count >= options_.max_peers)
      return turn_away(name, fmt::format("there are {} connections already", count));
    set_keep_alive(accepted);
    lane_socket socket{std::move(accepted)};
    socket.begin();
    if (options_.tls)
      begin_handshake(++last_id_, std::move(socket), std::move(name));
    else
      welcome(++last_id_, std::move(socket), name);
  }

  void grant(std::size_t bytes) {
    asio::post(io_, [self = shared_from_this(), bytes] {
      self->credit_ += static_cast<std::int64_t>(bytes);
      self->read_on();
    });
  }

  void finish() {
    asio::post(io_, [self = shared_from_this()] { self->begin_to_finish(); });
  }

  void close() {
    handler_.shut();
    asio::post(io_, [self = shared_from_this()] {
      self->handshakes_.clear();
      self->sockets_.clear();
    });
  }

private:
  struct connection {
    lane_socket socket;
    std::optional<std::size_t> left; ///< To be read at most, once the listener finishes.
  };

  struct handshake {
    lane_socket socket;
    std::string name;
    asio::steady_timer deadline;
  };

  // -- who comes in -----------------------------------------------------------

  void begin_handshake(peer_id id, lane_socket socket, std::string name) {
    if (handshakes_.size() >= options_.max_handshakes)
      return turn_away(name, "too many others are agreeing on TLS at present");
    if (auto begun = socket.secure(*options_.tls); !begun)
      return refuse(name, begun.error());
    asio::steady_timer deadline{io_, options_.handshake_timeout};
    auto& made =
      handshakes_.emplace(id, handshake{std::move(socket), std::move(name), std::move(deadline)}).first->second;
    made.deadline.async_wait([self = shared_from_this(), id](const error_code& cancelled) {
      if (!cancelled)
        self->end_handshake(id, {errc::timed_out, fmt::format("did not agree on TLS within {} ms",
                                                    self->options_.handshake_timeout.count())});
    });
    go_on_with_handshake(id);
  }

  void go_on_with_handshake(peer_id id) {
    auto found = handshakes_.find(id);
    if (found == handshakes_.end())
      return;
    auto& socket = found->second.socket;
    auto step = socket.handshake_now();
    if (step.wait)
      return socket.lowest_layer().async_wait(*step.wait, [self = shared_from_this(), id](const error_code& failure) {
        failure ? self->end_handshake(id, {errc::connection_lost, failure.message()}) : self->go_on_with_handshake(id);
      });
    if (step.failure)
      return end_handshake(id, socket.explain(step.failure));
    auto done = std::move(found->second);
    handshakes_.erase(found);
    welcome(id, std::move(done.socket), done.name);
  }

  void end_handshake(peer_id id, error reason) {
    if (auto ended = handshakes_.extract(id))
      refuse(ended.mapped().name, std::move(reason));
  }

  /// Logged once until somebody is welcome again, for more may come than a log can hold.
  void turn_away(const std::string& name, std::string why) {
    if (!std::exchange(is_full_, true))
      spdlog::warn("{}: refused: {}", name, why);
    refuse(name, {errc::overloaded, std::move(why)});
  }

  void refuse(const std::string& name, error reason) {
    handler_.pass([&](byte_handler& to) { to.on_refused(name, std::move(reason)); });
  }

  void welcome(peer_id id, lane_socket socket, const std::string& name) {
    is_full_ = false;
    sockets_.emplace(id, connection{std::move(socket), std::nullopt});
    handler_.pass([&](byte_handler& to) { to.on_opened(id, name); });
    await(id);
    read_on();
  }

  // -- what they say ----------------------------------------------------------

  /// Gives a peer its turn once there is something to read, without a buffer to read it into.
  void await(peer_id id) {
    auto found = sockets_.find(id);
    if (found == sockets_.end())
      return;
    if (found->second.socket.has_taken_input())
      ready_.push_back(id);
    else
      await(id, found->second, tcp::socket::wait_read);
  }

  void await(peer_id id, connection& from, tcp::socket::wait_type what) {
    from.socket.lowest_layer().async_wait(what, [self = shared_from_this(), id](const error_code& failure) {
      if (failure)
        return self->lose(id, failure);
      self->ready_.push_back(id);
      self->read_on();
    });
  }

  void read_on() {
    while (credit_ > 0 && !ready_.empty()) {
      auto id = ready_.front();
      ready_.pop_front();
      if (auto found = sockets_.find(id); found != sockets_.end())
        read(id, found->second);
    }
  }

  void read(peer_id id, connection& from) {
    auto most = std::min(room_.size(), from.left.value_or(room_.size()));
    auto step = from.socket.read_now({room_.data(), most});
    if (step.failure)
      return lose(id, step.failure);
    if (step.bytes > 0)
      hand_on(id, step.bytes);
    if (from.left)
      return read_rest(id, from, step.bytes);
    if (step.wait)
      await(id, from, *step.wait);
    else
      await(id);
  }

  void read_rest(peer_id id, connection& from, std::size_t just_read) {
    *from.left -= just_read;
    if (*from.left == 0 || just_read == 0)
      return lose(id, asio::error::eof);
    ready_.push_back(id);
  }

  /// A large read is handed on as it is; of a small one the memory would be mostly empty.
  void hand_on(peer_id id, std::size_t bytes) {
    buffer taken;
    if (bytes >= room_.size() / 2) {
      taken = std::exchange(room_, buffer{});
      taken.resize(bytes);
      room_.resize(options_.read_bytes);
    } else {
      taken.append(room_.view().first(bytes));
    }
    auto credit = std::max(bytes, min_read_credit);
    credit_ -= static_cast<std::int64_t>(credit);
    handler_.pass([&](byte_handler& to) { to.on_bytes(id, std::move(taken), credit); });
  }

  void lose(peer_id id, const error_code& why) {
    auto found = sockets_.find(id);
    if (found == sockets_.end())
      return;
    std::optional<error> reason;
    if (why == asio::error::eof)
      found->second.socket.shutdown_send(); // answers a goodbye
    else
      reason = found->second.socket.explain(why);
    sockets_.erase(found);
    handler_.pass([&](byte_handler& to) { to.on_closed(id, std::move(reason)); });
    end_if_finished();
  }

  // -- the end ----------------------------------------------------------------

  void begin_to_finish() {
    if (std::exchange(is_finishing_, true))
      return;
    handshakes_.clear();
    std::vector<peer_id> done;
    for (auto& [id, x] : sockets_) {
      x.left = x.socket.available();
      if (*x.left == 0)
        done.push_back(id);
      else
        ready_.push_back(id);
    }
    for (auto id : done)
      lose(id, asio::error::eof);
    end_if_finished();
    read_on();
  }

  void end_if_finished() {
    if (is_finishing_ && sockets_.empty())
      handler_.pass_last([](byte_handler& to) { to.on_finished(); });
  }

  asio::io_context& io_;
  byte_options options_;
  handler_gate<byte_handler> handler_;
  std::unordered_map<peer_id, handshake> handshakes_;
  std::unordered_map<peer_id, connection> sockets_;
  std::deque<peer_id> ready_; ///< Have something to read, and wait for their turn.
  buffer room_;               ///< For the next read.
  std::int64_t credit_ = 0;
  peer_id last_id_ = 0;
  bool is_full_ = false;
  bool is_finishing_ = false;
};

tcp_byte_listener::tcp_byte_listener(std::shared_ptr<network_engine> engine, std::shared_ptr<peers> peers)
  : engine_{std::move(engine)}, peers_{std::move(peers)} {}

tcp_byte_listener::~tcp_byte_listener() {
  acceptor_.reset();
  peers_->close();
}

expected<std::unique_ptr<intake_listener>> tcp_byte_listener::open(const std::shared_ptr<network_engine>& engine,
  const endpoint& where, const byte_options& options, std::shared_ptr<byte_handler> handler) {
  auto used = options;
  if (!where.scheme.ends_with("+tls"))
    used.tls.reset();
  else if (!used.tls)
    return fail(errc::invalid_argument, fmt::format("{}: TLS needs a certificate and its key", to_string(where)));
  auto connections = std::make_shared<peers>(engine, used, std::move(handler));
  std::unique_ptr<tcp_byte_listener> made{new tcp_byte_listener{engine, connections}};
  auto acceptor = tcp_acceptor::open(engine, where, options.takes_over,
    [connections](tcp::socket socket, const endpoint& peer) { connections->admit(std::move(socket), peer); });
  if (!acceptor)
    return fail(acceptor.error());
  made->acceptor_ = std::move(*acceptor);
  made->local_ = made->acceptor_->local();
  return made;
}

void tcp_byte_listener::grant(std::size_t bytes) {
  peers_->grant(bytes);
}

void tcp_byte_listener::finish() {
  acceptor_.reset();
  peers_->finish();
}

} // namespace sluice

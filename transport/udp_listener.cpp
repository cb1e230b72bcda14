#include "transport/udp_listener.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "transport/handler_gate.hpp"
#include "transport/listening_sockets.hpp"
#include "transport/network_engine.hpp"
#include "transport/udp_socket.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

constexpr std::size_t calls_per_turn = 8; // before somebody else's socket has its turn

// Where many come they are left to gather: a wake-up costs as much as reading dozens. That many fit the smallest
// buffer.
constexpr std::size_t many = 16;
constexpr std::chrono::microseconds gathering_time{500};

// The kernel tells with a datagram what it has dropped before that, and of the end of a burst only when it is asked.
constexpr std::chrono::seconds look_time{1};

} // namespace

/// The socket and what reads it. Everything but `grant`, `finish`, `close` and `duplicate` happens on the engine's
/// thread; callbacks keep it alive.
class udp_listener::reader final : public shared_socket, public std::enable_shared_from_this<reader> {
public:
  reader(network_engine& engine, std::shared_ptr<datagram_handler> handler)
    : io_{engine.io}, socket_{io_}, slots_{engine.slots}, gathering_{io_}, look_{io_} {
    handler_.open(std::move(handler));
  }

  expected<endpoint> open(listening_sockets& listening, const endpoint& where, const datagram_options& options) {
    auto take_share = [&](const udp::endpoint& address) {
      return options.takes_over ? share(listening.take_share(name_of(address))) : -1;
    };
    auto local = bind_udp(socket_, where, options.receive_buffer_bytes, take_share);
    error_code failure;
    if (local)
      listening.add(name_of(socket_.local_endpoint(failure)), weak_from_this());
    return local;
  }

  void grant(std::size_t bytes) {
    asio::post(io_, [self = shared_from_this(), bytes] {
      self->credit_ += static_cast<std::int64_t>(bytes);
      self->go_on();
    });
  }

  void finish() {
    asio::post(io_, [self = shared_from_this()] {
      if (!self->left_)
        self->left_ = self->buffer_bytes();
      self->read_on();
    });
  }

  void close() {
    handler_.shut();
    asio::post(io_, [self = shared_from_this()] { self->shut(); });
  }

  int duplicate() override {
    std::lock_guard guard{closing_};
    return socket_.is_open() ? shared_socket::duplicate(socket_.native_handle()) : -1;
  }

private:
  static std::string name_of(const udp::endpoint& address) {
    return fmt::format("udp {} {}", address.address().to_string(), address.port());
  }

  /// Whichever of the two reads what follows a gap, it is counted once.
  int share(const listening_sockets::share& present) {
    if (auto other = std::dynamic_pointer_cast<reader>(present.with))
      dropped_ = other->dropped_;
    return present.descriptor;
  }

  void shut() {
    look_.cancel();
    std::lock_guard guard{closing_};
    close_shared(socket_);
  }

  /// What the socket can hold, as the kernel counts it.
  std::size_t buffer_bytes() {
    asio::socket_base::receive_buffer_size size;
    error_code ignored;
    socket_.get_option(size, ignored);
    return static_cast<std::size_t>(size.value());
  }

  void go_on() {
    if (left_)
      asio::post(io_, [self = shared_from_this()] { self->read_on(); });
    else
      await();
  }

  void await() {
    if (std::exchange(is_waiting_, true))
      return;
    socket_.async_wait(udp::socket::wait_read, [self = shared_from_this()](const error_code& failure) {
      self->is_waiting_ = false;
      if (!failure)
        self->read_on();
    });
  }

  void gather() {
    gathering_.expires_after(gathering_time);
    is_waiting_ = true;
    gathering_.async_wait([self = shared_from_this()](const error_code& failure) {
      self->is_waiting_ = false;
      if (!failure)
        self->read_on();
    });
  }

  void read_on() {
    if (!socket_.is_open())
      return;
    std::size_t came = 0;
    for (std::size_t calls = 0; calls < calls_per_turn && credit_ > 0; ++calls) {
      auto count = slots_.receive(socket_.native_handle());
      if (count <= 0 && left_)
        return end();
      if (count <= 0)
        break;
      came += static_cast<std::size_t>(count);
      auto bytes = hand_on(static_cast<std::size_t>(count));
      if (left_ && (*left_ -= std::min(bytes, *left_)) == 0)
        return end();
      if (!left_ && static_cast<std::size_t>(count) < datagram_slots::count / 2)
        break;
    }
    if (credit_ <= 0)
      return;
    if (!left_ && came >= many)
      gather();
    else
      go_on();
  }

  /// Looks once a while after something was read, and again while nothing may be: nothing is dropped unless something
  /// waits.
  void look_later() {
    if (std::exchange(is_to_look_, true))
      return;
    look_.expires_after(look_time);
    look_.async_wait([self = shared_from_this()](const error_code& failure) {
      self->is_to_look_ = false;
      if (failure || !self->socket_.is_open())
        return;
      if (auto dropped = self->newly_dropped(); dropped > 0)
        self->handler_.pass([&](datagram_handler& to) { to.on_dropped(dropped); });
      if (self->credit_ <= 0)
        self->look_later();
    });
  }

  /// Tells what was dropped since the last datagram, too.
  void end() {
    handler_.pass_last([&](datagram_handler& to) {
      if (auto dropped = newly_dropped(); dropped > 0)
        to.on_dropped(dropped);
      to.on_finished();
    });
    shut();
  }

  /// By now, whatever still waits to be read.
  std::uint32_t newly_dropped() { return newly_dropped(dropped_by_kernel(socket_).value_or(*dropped_)); }

  /// `sum` is from when a datagram came, which may be before the last look, or before that of who shares the socket.
  std::uint32_t newly_dropped(std::uint32_t sum) {
    auto more = static_cast<std::int32_t>(sum - *dropped_);
    if (more <= 0)
      return 0;
    *dropped_ = sum;
    return static_cast<std::uint32_t>(more);
  }

  /// Returns how many bytes they have.
  std::size_t hand_on(std::size_t count) {
    datagram_block block;
    block.ends.reserve(count);
    block.bytes.reserve(slots_.total_bytes(count));
    std::uint64_t dropped = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (auto sum = slots_.dropped(i))
        dropped += newly_dropped(*sum);
      block.bytes.append(slots_.bytes(i));
      block.ends.push_back(static_cast<std::uint32_t>(block.bytes.size()));
    }
    auto credit = std::max(block.bytes.size(), min_read_credit);
    credit_ -= static_cast<std::int64_t>(credit);
    handler_.pass([&](datagram_handler& to) {
      if (dropped > 0)
        to.on_dropped(dropped);
      to.on_datagrams(std::move(block), credit);
    });
    look_later();
    return credit;
  }

  asio::io_context& io_;
  udp::socket socket_;
  std::mutex closing_; ///< Is held while the socket is closed or duplicated.
  handler_gate<datagram_handler> handler_;
  datagram_slots& slots_;
  std::int64_t credit_ = 0;
  std::shared_ptr<std::uint32_t> dropped_ = std::make_shared<std::uint32_t>(0); ///< What was told, modulo 2^32.
  bool is_waiting_ = false, is_to_look_ = false;
  asio::steady_timer gathering_, look_;
  std::optional<std::size_t> left_; ///< What may still be read, once it finishes.
};

udp_listener::udp_listener(std::shared_ptr<network_engine> engine, std::shared_ptr<reader> reader)
  : engine_{std::move(engine)}, reader_{std::move(reader)} {}

udp_listener::~udp_listener() {
  reader_->close();
}

expected<std::unique_ptr<intake_listener>> udp_listener::open(const std::shared_ptr<network_engine>& engine,
  const endpoint& where, const datagram_options& options, std::shared_ptr<datagram_handler> handler) {
  auto made = std::make_shared<reader>(*engine, std::move(handler));
  auto local = made->open(engine->listening, where, options);
  if (!local)
    return fail(local.error());
  std::unique_ptr<udp_listener> result{new udp_listener{engine, std::move(made)}};
  result->local_ = *local;
  return result;
}

void udp_listener::grant(std::size_t bytes) {
  reader_->grant(bytes);
}

void udp_listener::finish() {
  reader_->finish();
}

} // namespace sluice

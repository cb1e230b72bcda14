#pragma once

#include <memory>
#include <optional>
#include <span>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "transport/datagram_channel.hpp"
#include "transport/tls_session.hpp"

namespace sluice {

class network_engine;
class udp_port;

/// One end of a connection over UDP (docs/specs/datagram.md), which `lane_socket` uses as it uses a TCP socket. Only on
/// the network's thread.
class udp_stream : public std::enable_shared_from_this<udp_stream> {
public:
  using udp = boost::asio::ip::udp;
  using executor_type = boost::asio::any_io_executor;
  using time_point = datagram_clock::time_point;

  /// To be connected.
  explicit udp_stream(network_engine& engine);

  /// Accepted by `port`.
  udp_stream(network_engine& engine, std::shared_ptr<udp_port> port, udp::endpoint peer, const datagram_head& first);

  ~udp_stream();

  executor_type get_executor() { return timer_.get_executor(); }

  // As of a socket that does not block.
  socket_step connect_now(const udp::endpoint& to);
  socket_step read_now(std::span<std::byte> into);
  socket_step write_now(std::span<const boost::asio::const_buffer> from);
  std::size_t available() const noexcept { return channel_ ? channel_->available() : 0; }
  void shutdown_send();

  /// What was written before `shutdown_send` may still go out, until a second after that.
  void close();

  /// Calls `handler` with an error, which means nothing, when what a step waits for may be possible.
  template <class Handler>
  void async_wait(boost::asio::socket_base::wait_type what, Handler&& handler) {
    (what == boost::asio::socket_base::wait_read ? readable_ : writable_).async_wait(std::forward<Handler>(handler));
  }

  // For its port.
  const udp::endpoint& peer() const noexcept { return peer_; }
  std::uint64_t connection() const noexcept { return connection_; }
  void receive(const datagram& came, time_point now);
  void fail(const boost::system::error_code& why);
  std::optional<datagram_channel::outgoing> next(time_point now);

  /// To be called after any of these, once nothing more comes at present. The port's `flush` is the caller's.
  void settle(time_point now);

  /// Whether its port has noted to settle it.
  bool is_touched = false;

private:
  socket_step outcome(boost::asio::socket_base::wait_type otherwise) const;
  boost::system::error_code begin_to_connect(const udp::endpoint& to);
  void ask_for_token(time_point now);
  void open(std::uint64_t token, time_point now);
  void send(time_point now);
  time_point deadline() const noexcept;
  void arm();
  void on_time();
  void finish();

  network_engine& engine_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer readable_; ///< Never expires; whoever waits is woken by cancelling it.
  boost::asio::steady_timer writable_; ///< Likewise.
  std::shared_ptr<udp_port> port_;
  udp::endpoint peer_;
  std::uint64_t connection_;
  std::optional<datagram_channel> channel_; ///< Once there is a token.
  boost::system::error_code failure_;
  time_point armed_ = time_point::max();
  time_point ask_at_;
  datagram_clock::duration ask_pause_{};
  bool is_closed_ = false;
  bool is_finished_ = false;
  time_point ends_at_ = time_point::max(); ///< Once nothing more is written.
};

} // namespace sluice

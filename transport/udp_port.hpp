#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <boost/asio/ip/udp.hpp>

#include "messages/datagram.hpp"
#include "messages/errc.hpp"
#include "transport/datagram_timing.hpp"
#include "transport/datagram_tokens.hpp"
#include "transport/endpoint.hpp"
#include "transport/handler_gate.hpp"

namespace sluice {

class network_engine;
class udp_stream;

/// Datagrams that one system call sends.
class datagram_outbox {
public:
  bool is_full() const noexcept { return end_ == entries_.size(); }
  bool is_empty() const noexcept { return begin_ == end_; }

  /// `to` is null if the socket is connected.
  void add(const datagram_head& head, shared_buffer payload, const boost::asio::ip::udp::endpoint* to);

  /// Sends what the socket takes; what it refuses counts as lost on the way. Returns how many went, and an error if
  /// the rest has to wait (would_block) or the peer is not there.
  std::pair<std::size_t, boost::system::error_code> send(int socket);

private:
  static constexpr std::size_t slots = 64;

  struct entry {
    std::array<std::byte, datagram_limits::head_bytes> head;
    shared_buffer payload;
    boost::asio::ip::udp::endpoint to;
    std::array<iovec, 2> parts;
  };

  void clear() noexcept;

  std::array<entry, slots> entries_;
  std::array<mmsghdr, slots> headers_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// A UDP socket and the connections over it: one that connects, or all that were accepted. Lives as long as it listens
/// or has connections. Only on the network's thread, but for `listen` and `stop`.
class udp_port : public std::enable_shared_from_this<udp_port> {
public:
  using udp = boost::asio::ip::udp;
  using time_point = datagram_clock::time_point;
  using accept_handler = std::function<void(std::shared_ptr<udp_stream> accepted, endpoint peer)>;

  static constexpr std::size_t max_accepted = 10'000;

  explicit udp_port(network_engine& engine);

  boost::system::error_code connect(const udp::endpoint& to);

  /// Accepts until `stop`. Errors: those of `bind_udp`.
  expected<endpoint> listen(const endpoint& where, accept_handler on_accept);

  /// No call of the handler begins after this has returned. Connections go on.
  void stop();

  /// How long datagrams may be that it sends.
  std::size_t datagram_bytes() const noexcept { return datagram_bytes_; }

  void add(udp_stream& stream);
  void remove(udp_stream& stream);

  /// Takes what the stream has to send, as far as there is room.
  void collect(udp_stream& stream, time_point now);
  void flush();
  void send(const datagram_head& head, const udp::endpoint& to);

private:
  using key = std::pair<udp::endpoint, std::uint64_t>;

  void await_input();
  void read_on();
  void hand_on(std::size_t count);
  void take(const datagram& came, const udp::endpoint& from, time_point now);
  void meet(const datagram& stranger, const udp::endpoint& from, time_point now);
  void accept(const datagram& first, const udp::endpoint& from, time_point now);
  void touch(udp_stream& stream);
  void settle_touched(time_point now);
  void fail_all(const boost::system::error_code& why);
  void await_room();
  void close_if_unused();
  void remember(key over);

  network_engine& engine_;
  udp::socket socket_;
  datagram_tokens tokens_;
  handler_gate<accept_handler> on_accept_;
  std::string scheme_;
  bool is_listening_ = false;
  bool is_connected_ = false;
  std::size_t datagram_bytes_ = datagram_limits::usual_bytes;
  std::map<key, udp_stream*> streams_;
  std::set<key> over_; ///< Accepted ones that are, while their tokens may hold.
  std::deque<std::pair<time_point, key>> over_by_age_;
  std::vector<std::shared_ptr<udp_stream>> touched_;
  datagram_outbox outbox_;
  bool is_blocked_ = false; ///< The socket takes no more at present.
  std::uint32_t dropped_ = 0;
};

} // namespace sluice

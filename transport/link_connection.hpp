#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "transport/handler_gate.hpp"
#include "transport/lane_socket.hpp"
#include "transport/network.hpp"

namespace sluice {

/// Memory that all connections of a network share for messages larger than most. Thread-safe.
struct large_messages {
  std::size_t max_bytes;
  std::atomic<std::size_t> bytes = 0;
};

/// The life of one connection over TCP or UDP: connect or be accepted, agree on TLS if its endpoint says so, exchange
/// prefaces, read as credit allows, write what is queued, end. The public functions may be called from any thread;
/// everything else happens on the thread that runs the io_context, whose coroutines keep the connection alive. Idle, it
/// holds no buffers.
///
/// Beyond its credit it holds one message; of that, what exceeds 2 MiB is taken from the `large_messages` of all.
class link_connection : public std::enable_shared_from_this<link_connection> {
public:
  /// The shipper's is to be connected to `peer` once started, the receiver's was accepted from there.
  link_connection(link_side side, lane_socket stream, endpoint peer, const link_options& options,
    std::shared_ptr<large_messages> room);

  ~link_connection();

  void start(std::shared_ptr<link_handler> handler);
  std::size_t send(link_message message);
  void grant(std::size_t bytes);

  /// Shuts the handler out, then flushes, at most for a second, and closes.
  void release();

  const std::string& peer() const noexcept { return peer_name_; }

private:
  using clock = std::chrono::steady_clock;
  using self_ptr = std::shared_ptr<link_connection>;
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  enum class phase : std::uint8_t { idle, connecting, securing, greeting, open, closing, closed };

  struct outgoing {
    buffer head;
    frame body;
    bool own = false; ///< Not from `send`, so not reported as sent.

    static outgoing of(link_message message);
    std::size_t size() const noexcept { return head.size() + body.size(); }
  };

  template <class Action>
  void post(Action action);
  template <class T>
  void spawn(awaitable<T> work);

  awaitable<void> run(self_ptr self);
  awaitable<expected<void>> connect();
  awaitable<expected<void>> secure();
  awaitable<expected<void>> greet();
  awaitable<boost::system::error_code> write_preface();
  awaitable<void> read_loop(self_ptr self);
  awaitable<void> write_loop(self_ptr self);
  awaitable<void> watch(self_ptr self);

  void enter(phase next, clock::duration deadline = clock::duration::zero());
  clock::time_point next_check() const;
  void check(clock::time_point now);
  void expire();

  bool may_read() const noexcept { return phase_ == phase::closing || (phase_ == phase::open && credit_ > 0); }
  void read_on();
  void consume(std::size_t bytes);
  void read_ended(const boost::system::error_code& why);
  bool find_room();
  void forget_input();

  void push(outgoing next);
  void push_own(link_message message);
  void write_on();
  void written(std::size_t messages);

  error about(errc code, std::string_view what) const;
  error about(const boost::system::error_code& why) const;
  void lose(error reason);
  void refuse(const error& reason);
  void linger();
  void close();

  bool is_secured() const noexcept { return remote_.scheme == "tls"; }

  lane_socket stream_;
  boost::asio::steady_timer timer_;
  endpoint remote_;
  std::string peer_name_;
  link_options options_;
  link_side side_;
  handler_gate<link_handler> handler_;

  phase phase_ = phase::idle;
  clock::time_point deadline_; ///< Of any phase but open.

  message_decoder decoder_;
  std::int64_t credit_ = 0;
  std::shared_ptr<large_messages> room_;
  std::size_t taken_ = 0; ///< Of the room.
  clock::time_point last_heard_;
  clock::time_point message_began_;
  bool reading_ = false;
  bool peer_ended_ = false;
  buffer discarded_; ///< What a peer says while we close.

  std::deque<outgoing> queue_;
  clock::time_point last_sent_;
  bool writing_ = false;
  bool flushed_ = false;
};

} // namespace sluice

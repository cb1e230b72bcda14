#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/sim_network.hpp"

namespace sluice::test {

class sim_listener : public listener {
public:
  sim_listener(sim_network& net, const endpoint& where, network::accept_handler on_accept);
  ~sim_listener() override;

  const endpoint& local() const noexcept override { return where_; }
  void accept(std::shared_ptr<sim_connection> made);

private:
  sim_network& net_;
  endpoint where_;
  network::accept_handler on_accept_;
};

/// Both sides of one connection and what is on its way between them. Side 0 connects, side 1 accepts.
class sim_connection : public std::enable_shared_from_this<sim_connection> {
public:
  sim_connection(sim_network& net, const std::string& client, const endpoint& server, const link_options& options);

  void start(int side, std::shared_ptr<link_handler> handler);
  std::size_t send(int side, link_message message);
  void grant(int side, std::size_t bytes);
  /// The owner has destroyed its link.
  void leave(int side);
  const std::string& peer_of(int side) const noexcept { return sides_[1 - side].name; }

  /// Of what is on its way, only what was before the cut arrives; both sides hear of it later.
  void break_off();
  /// `side` is dead; the other hears of it, or only notices the silence.
  void die(int side);
  /// Closes a side that hears nothing from now on, after its silence timeout, unless the network heals.
  void watch_silence();
  void go_on();

  bool is_usable() const noexcept { return !has_ended() && sides_[0].open && sides_[1].open; }
  bool is_at(int side, const std::string& host) const noexcept { return sides_[side].host == host; }
  bool is_alive(int side) const noexcept { return sides_[side].started && !sides_[side].closed; }

private:
  struct item {
    std::optional<link_message> message; ///< None: the sender has closed.
    std::size_t bytes = 0;
    caf::actor_clock::time_point arrival;
  };

  struct end {
    std::string host;
    std::string name; ///< For the other side's log.
    std::shared_ptr<link_handler> handler;
    bool started = false, open = false, closed = false;
    std::int64_t credit = 0;
    // What it sends.
    std::deque<item> waiting, travelling;
    std::size_t travelling_bytes = 0;
    caf::actor_clock::time_point last_arrival, last_sent;
  };

  template <class F>
  void later(std::chrono::nanoseconds delay, F work);
  template <class F>
  void call(int side, F what);
  std::chrono::nanoseconds delay();
  bool stalled(int from) const { return net_.is_stalled(sides_[from].host, sides_[1 - from].host); }
  void reach_listener();
  void open(int side);
  void pump(int from);
  void deliver(int from);
  void close(int side, errc code, std::string_view why);
  void close_later(int side, std::chrono::nanoseconds delay, errc code, std::string_view why);
  bool has_ended() const noexcept { return cut_ || broken_; }
  void watch_silence(int side);
  void fall_silent(int side);
  void miss_deadline(int side, caf::actor_clock::time_point arrival);
  void cut(int from);
  void drop_everything();

  sim_network& net_;
  endpoint server_;
  link_options options_;
  int delay_factor_ = 1;
  bool cut_ = false;    ///< Nothing more is sent.
  bool broken_ = false; ///< Nothing more arrives either.
  std::array<end, 2> sides_;
};

} // namespace sluice::test

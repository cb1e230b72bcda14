#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <caf/action.hpp>
#include <caf/actor_clock.hpp>

#include "transport/network.hpp"

namespace sluice::test {

class sim_connection;
class sim_dialled;
class sim_http;
class sim_request;
class sim_intake;
class sim_listener;
class sim_sender;

struct sim_network_options {
  std::chrono::nanoseconds min_delay{50'000};
  std::chrono::nanoseconds max_delay{5'000'000};
  std::size_t pipe_bytes = 64 * 1024; ///< Per direction, handed to the transport and not yet delivered.
  unsigned slow_percent = 10;         ///< Of the connections; their delays are ten times as long.
};

/// Links between simulated hosts, driven by a virtual clock. Endpoints are names: `sim://host:port`. Messages of one
/// direction stay in order, each with a random delay, and wait for credit. All randomness follows the seed. Everything
/// happens on one thread; handlers are called from actions of the clock only.
class sim_network {
public:
  sim_network(caf::actor_clock& clock, std::uint64_t seed, sim_network_options options = {});
  ~sim_network();
  sim_network(const sim_network&) = delete;

  /// The network as `host` sees it. It and its links and listeners must not outlive this object.
  std::unique_ptr<network> join(std::string host);

  // -- others than shippers ---------------------------------------------------

  /// Connects `host` to whoever listens for bytes at `to`.
  std::unique_ptr<sim_sender> dial(std::string host, const endpoint& to);

  /// Arrives after a random delay, or never: in a partition, or where nobody listens for datagrams.
  void send_datagram(const std::string& host, const endpoint& to, std::string bytes);

  /// Sends a request to whoever takes HTTP at `to`. Each way takes a random delay.
  std::shared_ptr<sim_request> request(const endpoint& to, http_request what);

  // -- faults -----------------------------------------------------------------

  /// One of the connections breaks, in each direction at any byte: what is whole before it may still arrive, the rest
  /// is lost, and each side hears of it at a time of its own. Returns false if there is none.
  bool lose_one();

  /// What `from` sends to `to` does not arrive until `heal`. A side that hears nothing for its silence timeout closes,
  /// unless it has no credit to read.
  void stall(const std::string& from, const std::string& to);

  /// What goes to and from `host` takes its time until `heal`. A side that does not get a whole message within its
  /// message timeout closes.
  void slow_down(const std::string& host, std::uint64_t bytes_per_second);

  /// Ends all stalls and slowness.
  void heal();

  /// The process neither reads nor writes until it thaws.
  void freeze(const std::string& host);
  void thaw(const std::string& host);

  /// The process or the machine dies: its links are dead at once, its peers notice sooner or later.
  void kill(const std::string& host);

  // -- observation ------------------------------------------------------------

  /// Messages handed to their receivers so far.
  std::uint64_t delivered() const noexcept { return delivered_; }

  /// A hash of everything that has happened, with its time: equal for equal runs.
  std::uint64_t trace() const noexcept { return trace_; }

  /// Sides that are open or opening.
  std::size_t open_sides() const;

private:
  friend class sim_connection;
  friend class sim_dialled;
  friend class sim_host;
  friend class sim_http;
  friend class sim_http_listener;
  friend class sim_intake;
  friend class sim_intake_listener;
  friend class sim_listener;

  using time_point = caf::actor_clock::time_point;

  template <class F>
  void at(time_point when, F work) {
    clock_.schedule(when, caf::make_action(std::move(work)));
  }

  template <class F>
  void after(std::chrono::nanoseconds delay, F work) {
    at(clock_.now() + delay, std::move(work));
  }

  std::uint64_t random_below(std::uint64_t bound);
  std::chrono::nanoseconds random_delay();
  /// Below `limit`; short times are as likely as long ones.
  std::chrono::nanoseconds random_scale(std::chrono::nanoseconds limit);
  bool is_stalled(const std::string& from, const std::string& to) const;
  std::chrono::nanoseconds transfer_time(const std::string& from, const std::string& to, std::size_t bytes) const;
  void watch_silence();
  void go_on();
  void note(std::uint64_t what) noexcept;
  std::vector<std::shared_ptr<sim_connection>> connections();
  std::shared_ptr<sim_intake> intake_at(const endpoint& where) const;

  caf::actor_clock& clock_;
  std::mt19937_64 random_;
  sim_network_options options_;
  std::map<std::string, sim_listener*> listeners_;
  std::map<std::string, std::shared_ptr<sim_intake>> intakes_;
  std::map<std::string, std::shared_ptr<sim_http>> https_;
  std::vector<std::weak_ptr<sim_connection>> connections_;
  std::set<std::pair<std::string, std::string>> stalled_;
  std::map<std::string, std::uint64_t> slow_; ///< Bytes per second.
  std::set<std::string> frozen_;
  std::uint64_t stall_count_ = 0; ///< Changes whenever who is stalled does.
  std::uint64_t delivered_ = 0;
  std::uint64_t trace_ = 0;
};

} // namespace sluice::test

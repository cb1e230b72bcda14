#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "transport/intake.hpp"

namespace sluice::test {

class sim_network;
class sim_dialled;

/// One that is no shipper and says something over a connection (`sim_network::dial`). What it says arrives in order, in
/// pieces of any size, each after a random delay. Destroying it closes the connection in order.
class sim_sender {
public:
  explicit sim_sender(std::shared_ptr<sim_dialled> made) : connection_(std::move(made)) {}
  ~sim_sender() { close(); }
  sim_sender(const sim_sender&) = delete;

  void send(std::string_view bytes);

  /// Says no more.
  void close();

  /// The connection breaks: what was not read yet is lost.
  void reset();

  /// Bytes that whoever listens has read.
  std::size_t read_bytes() const noexcept;

  /// Whether nobody listens at the other end, any more or at all.
  bool is_refused() const noexcept;

private:
  std::shared_ptr<sim_dialled> connection_;
};

/// What listens at an endpoint, for the bytes of connections or for datagrams.
class sim_intake : public std::enable_shared_from_this<sim_intake> {
public:
  /// For datagrams that were not read; what comes on top is dropped and counted.
  static constexpr std::size_t socket_bytes = 64 * 1024;

  sim_intake(
    sim_network& net, endpoint where, std::shared_ptr<byte_handler> bytes, std::shared_ptr<datagram_handler> datagrams);

  const endpoint& where() const noexcept { return where_; }
  void grant(std::size_t bytes);
  void finish();
  void close();

  void open(std::shared_ptr<sim_dialled> peer);
  /// There is something to read at one of the peers.
  void wake();
  void arrive(std::string_view datagram);

private:
  void read();
  bool read_peer();
  bool read_datagrams();
  std::size_t use_credit(std::size_t bytes);

  sim_network& net_;
  endpoint where_;
  std::shared_ptr<byte_handler> bytes_;
  std::shared_ptr<datagram_handler> datagrams_;
  std::map<peer_id, std::shared_ptr<sim_dialled>> peers_;
  peer_id last_peer_ = 0;
  peer_id turn_ = 0; ///< Of the peer that was read last.
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t dropped_ = 0; ///< Not told yet.
  std::int64_t credit_ = 0;
  bool is_finishing_ = false, is_closed_ = false;
};

/// A connection, from the sender to what the listener can read.
class sim_dialled : public std::enable_shared_from_this<sim_dialled> {
public:
  sim_dialled(sim_network& net, std::string host, endpoint to);

  // The sender's side.
  void connect();
  void send(std::string_view bytes);
  void close();
  void reset();

  // The listener's side.
  const std::string& host() const noexcept { return host_; }
  bool has_something() const noexcept { return !ready_.empty() || has_ended_; }
  bool has_ended() const noexcept { return has_ended_ && ready_.empty(); }
  bool is_broken() const noexcept { return is_broken_; }
  std::string take(std::size_t most);
  void refuse();
  /// What has not arrived yet never does.
  void cut_off();

  std::size_t read_bytes() const noexcept { return read_bytes_; }
  bool is_refused() const noexcept { return is_refused_; }

private:
  void put(std::optional<std::string> piece);
  void arrive();

  sim_network& net_;
  std::string host_;
  endpoint to_;
  std::weak_ptr<sim_intake> at_;
  std::deque<std::optional<std::string>> travelling_; ///< None: the sender says no more.
  std::int64_t last_arrival_ = 0;                     ///< In nanoseconds of the clock.
  std::string ready_;
  std::size_t read_bytes_ = 0;
  bool is_closed_ = false, has_ended_ = false, is_broken_ = false, is_refused_ = false;
};

} // namespace sluice::test

#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "messages/protocol.hpp"
#include "transport/endpoint.hpp"
#include "transport/http.hpp"
#include "transport/intake.hpp"

/// The seam between actors and the network. Actors see links that carry whole messages; bytes, sockets and
/// deadlines are the implementation's. Real: transport/socket_network.hpp. Simulated: tests/support/.

namespace sluice {

class tls_context;

/// Deadlines and bounds of a link; defaults as docs/specs/protocol.md has them.
struct link_options {
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds handshake_timeout{5'000};  ///< For the peer's preface, and before it for that of TLS.
  std::chrono::milliseconds heartbeat_interval{5'000}; ///< Sent when nothing else was.
  std::chrono::milliseconds silence_timeout{20'000};   ///< Peer is taken for dead.
  std::chrono::milliseconds message_timeout{30'000};   ///< From the first byte of a message to its last.
  std::shared_ptr<const tls_context> tls{};            ///< For the scheme `tls`.
  bool takes_over = false; ///< Shares the socket of a listener at this address, if there is one.
};

/// What a message costs of the credit at least: small ones, too, take memory and time until they are dealt with.
inline constexpr std::size_t min_message_credit = 4096;

/// The credit that a message of `wire_bytes` takes.
constexpr std::size_t message_credit(std::size_t wire_bytes) noexcept {
  return std::max(wire_bytes, min_message_credit);
}

/// Hears what happens on one link. Calls come from the network's own execution context, one at a time, in order; they
/// must not block. `on_closed` is the last.
class link_handler {
public:
  virtual ~link_handler() = default;

  /// Both prefaces are exchanged; messages may flow.
  virtual void on_open() = 0;

  /// A checked message has come; it took `credit` (`message_credit`). Heartbeats are not delivered.
  virtual void on_message(link_message message, std::size_t credit) = 0;

  /// `bytes` of what was passed to `send`, counted as that returns them, have been handed to the peer's transport.
  virtual void on_sent(std::size_t bytes) = 0;

  /// The link is gone, also when it could not be opened. `reason` names the peer. Not called if the owner closed it.
  virtual void on_closed(error reason) = 0;
};

/// One connection to a peer. Thread-safe. Destroying it closes it after what was sent before has left, or a
/// second has passed; no call of the handler begins after the destructor has returned.
class link {
public:
  virtual ~link() = default;

  /// Begins to work: connecting or exchanging prefaces, then reading as far as credit goes. Call once.
  virtual void start(std::shared_ptr<link_handler> handler) = 0;

  /// Queues a message and returns its size on the wire. The caller bounds what is queued by what `on_sent` has
  /// reported. Ignored once closed.
  virtual std::size_t send(link_message message) = 0;

  /// Lets the link read `bytes` more. It begins with none.
  virtual void grant(std::size_t bytes) = 0;

  /// The peer, for the log: `127.0.0.1:4711`.
  virtual const std::string& peer() const noexcept = 0;
};

/// Accepts connections until destroyed. No call of its handler begins after the destructor has returned.
class listener {
public:
  virtual ~listener() = default;

  /// Where it listens, with the actual port when 0 was asked for.
  virtual const endpoint& local() const noexcept = 0;
};

/// Makes links and listeners. Thread-safe.
class network {
public:
  virtual ~network() = default;

  /// A link to `peer` that connects once started.
  virtual std::unique_ptr<link> connect(const endpoint& peer, const link_options& options) = 0;

  /// Called with each accepted connection, not yet started.
  using accept_handler = std::function<void(std::unique_ptr<link>)>;

  /// One that takes over from another makes no moment in which nobody listens: both accept until the other one is
  /// destroyed or told to finish. Errors: address_in_use, permission_denied, invalid_argument, io_error.
  virtual expected<std::unique_ptr<listener>> listen(
    const endpoint& where, const link_options& options, accept_handler on_accept) = 0;

  /// Accepts peers whose bytes go to `handler`. Errors as above.
  virtual expected<std::unique_ptr<intake_listener>> listen(
    const endpoint& where, const byte_options& options, std::shared_ptr<byte_handler> handler) = 0;

  /// Receives datagrams. Errors as above.
  virtual expected<std::unique_ptr<intake_listener>> listen(
    const endpoint& where, const datagram_options& options, std::shared_ptr<datagram_handler> handler) = 0;

  /// Takes requests over HTTP. Errors as above.
  virtual expected<std::unique_ptr<http_listener>> listen(
    const endpoint& where, const http_options& options, std::shared_ptr<http_handler> handler) = 0;
};

} // namespace sluice

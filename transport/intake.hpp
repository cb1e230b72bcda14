#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "transport/endpoint.hpp"

/// The second part of the network seam: what speaks something else than Sluice and only sends, such as syslog.

namespace sluice {

class tls_context;

/// What a read takes of the credit at least, as a message of a link does.
inline constexpr std::size_t min_read_credit = 4096;

// -- connections --------------------------------------------------------------

/// A peer of one listener; never used again.
using peer_id = std::uint64_t;

struct byte_options {
  std::size_t max_peers = 10'000;                     ///< Further ones are closed at once.
  std::size_t read_bytes = 64 * 1024;                 ///< At most, before the next peer has its turn.
  std::shared_ptr<const tls_context> tls{};           ///< For schemes that end in `+tls`.
  std::chrono::milliseconds handshake_timeout{5'000}; ///< For agreeing on TLS.
  std::size_t max_handshakes = 1'000;                 ///< Under way at a time; further peers are refused.
  bool takes_over = false;                            ///< As that of `link_options`.
};

/// Hears what comes from all peers of a listener. Calls come from the network's own execution context, one at a time;
/// they must not block.
class byte_handler {
public:
  virtual ~byte_handler() = default;

  /// A peer never came to be one of ours. `name` is for the log: `127.0.0.1:4711`. Those that are one too many are
  /// `overloaded`, and in the log already.
  virtual void on_refused(const std::string& name, error reason) = 0;

  /// `name` as above.
  virtual void on_opened(peer_id peer, const std::string& name) = 0;

  /// In order; at least one byte. Took `credit`.
  virtual void on_bytes(peer_id peer, buffer bytes, std::size_t credit) = 0;

  /// The peer's last word; with a reason, unless it has closed the connection in order or the listener has finished.
  virtual void on_closed(peer_id peer, std::optional<error> reason) = 0;

  /// The last call, after `intake_listener::finish`.
  virtual void on_finished() = 0;
};

// -- datagrams ----------------------------------------------------------------

struct datagram_options {
  std::size_t receive_buffer_bytes = 16 * 1024 * 1024; ///< Of the socket; what the system allows, if that is less.
  bool takes_over = false;                             ///< As that of `link_options`.
};

/// Datagrams in the order in which they came.
struct datagram_block {
  buffer bytes;                    ///< All of them, back to back.
  std::vector<std::uint32_t> ends; ///< Where each ends.

  template <class Take>
  void for_each(Take&& take) const {
    std::uint32_t begin = 0;
    for (auto end : ends) {
      take(bytes.text().substr(begin, end - begin));
      begin = end;
    }
  }
};

/// Calls come from the network's own execution context, one at a time; they must not block.
class datagram_handler {
public:
  virtual ~datagram_handler() = default;

  /// At least one. They took `credit`.
  virtual void on_datagrams(datagram_block block, std::size_t credit) = 0;

  /// So many more have come that found no room in the socket's buffer; told soon, though nothing follows.
  virtual void on_dropped(std::uint64_t datagrams) = 0;

  /// The last call, after `intake_listener::finish`.
  virtual void on_finished() = 0;
};

// -- both -----------------------------------------------------------------------

/// Receives until destroyed, which closes all connections; no call of the handler begins after the destructor has
/// returned. A peer that is idle holds no buffer. Thread-safe.
class intake_listener {
public:
  virtual ~intake_listener() = default;

  /// Where it listens, with the actual port when 0 was asked for.
  virtual const endpoint& local() const noexcept = 0;

  /// Lets it read `bytes` more, from all peers together, which take turns. It begins with none; what comes meanwhile
  /// waits in the buffers of the sockets.
  virtual void grant(std::size_t bytes) = 0;

  /// Takes no more than what has come by now. That is still read as credit goes, then everything is closed and the
  /// handler's `on_finished` called. Further calls change nothing.
  virtual void finish() = 0;
};

} // namespace sluice

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "messages/http_message.hpp"
#include "transport/endpoint.hpp"

/// The third part of the network seam: what sends requests over HTTP and waits for answers.

namespace sluice {

class tls_context;

/// A request of one listener; never used again.
using request_id = std::uint64_t;

/// Bounds and deadlines; defaults as docs/specs/http-ingest.md has them.
struct http_options {
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_body_bytes = 16 * 1024 * 1024;
  std::size_t max_held_bytes = 64 * 1024 * 1024; ///< Bodies, whole or not, and answers that are not sent.
  std::size_t max_connections = 10'000;          ///< Further ones are closed at once.
  std::shared_ptr<const tls_context> tls{};      ///< For the scheme `https`.
  std::chrono::milliseconds handshake_timeout{5'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds header_timeout{10'000}; ///< From its first byte to its last.
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds answer_timeout{60'000}; ///< Until it is known.
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds linger_timeout{2'000}; ///< For what the peer still sends after the last answer.
  bool takes_over = false;                         ///< As that of `link_options`.
};

/// Hears what comes from all clients of a listener. Calls come from the network's own execution context, one at a time;
/// they must not block.
class http_handler {
public:
  virtual ~http_handler() = default;

  /// Answers a request before its body is read, or has it read.
  virtual std::optional<http_answer> on_head(const http_head& head) = 0;

  /// A whole request. Its client waits for `http_listener::answer`.
  virtual void on_request(request_id id, http_request request) = 0;

  /// The listener itself has answered a request, which was broken, too large, too slow, or one too many; or it has
  /// closed a connection without an answer that was one too many: 503.
  virtual void on_refused(unsigned status) = 0;

  /// The last call, after `http_listener::finish`.
  virtual void on_finished() = 0;
};

/// Takes requests until destroyed, which closes all connections; no call of the handler begins after the destructor has
/// returned. The requests of one connection are taken one after the other, each when the one before is answered. A
/// connection that is idle holds no buffer. Thread-safe.
class http_listener {
public:
  virtual ~http_listener() = default;

  /// Where it listens, with the actual port when 0 was asked for.
  virtual const endpoint& local() const noexcept = 0;

  /// Answers a request; every one needs it, for its body counts as held until then. Ignored if the client was told that
  /// it took too long, or is gone.
  virtual void answer(request_id id, http_answer answer) = 0;

  /// Takes no further requests. Those that are whole are answered, then everything is closed and the handler's
  /// `on_finished` called. Further calls change nothing.
  virtual void finish() = 0;
};

} // namespace sluice

#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "messages/errc.hpp"

struct ssl_st;

namespace sluice {

class tls_context;

/// What has come of trying to use a socket that does not block.
struct socket_step {
  std::size_t bytes = 0;
  boost::system::error_code failure;
  std::optional<boost::asio::ip::tcp::socket::wait_type> wait; ///< What to wait for before it is tried again.
};

/// TLS over a connected socket that does not block. It holds buffers only while part of a record has come or must go.
class tls_session {
public:
  static constexpr std::size_t record_bytes = 16 * 1024; ///< At most; what it adds aside.

  /// A client names the `host` that it wants to talk to. Errors: invalid_argument.
  static expected<tls_session> open(const tls_context& context, int socket, const std::string& host);

  socket_step handshake();

  /// Reads as much as has come and fits.
  socket_step read(std::span<std::byte> into);

  /// Writes one record at most. Must be tried again with the same.
  socket_step write(std::span<const boost::asio::const_buffer> from);

  /// Says goodbye; reading may go on.
  void end();

  /// Whether it has taken from the socket what was not read yet: the end, or something that may be less than a record.
  bool has_input() const;

  /// Why a step has failed with `protocol_failure`.
  const error& reason() const noexcept { return reason_; }

  static boost::system::error_code protocol_failure();

private:
  struct free_session {
    void operator()(ssl_st* session) const noexcept;
  };

  explicit tls_session(ssl_st* session) : session_{session} {}

  expected<void> expect_server(const tls_context& context, const std::string& host);
  socket_step outcome(int result);
  error explain() const;

  std::unique_ptr<ssl_st, free_session> session_;
  std::optional<socket_step> end_; ///< What all reading comes to from now on.
  error reason_;
};

} // namespace sluice

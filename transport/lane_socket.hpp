#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "messages/errc.hpp"
#include "transport/tls_session.hpp"
#include "transport/udp_stream.hpp"

namespace sluice {

/// A TCP socket, which speaks TLS once it is told to, or a stream over UDP. Asio's and Beast's functions for streams
/// take it. Only on the network's thread; it must outlive what it was asked to do.
class lane_socket {
public:
  using executor_type = boost::asio::ip::tcp::socket::executor_type;
  using lowest_layer_type = boost::asio::ip::tcp::socket;

  explicit lane_socket(boost::asio::ip::tcp::socket socket) : tcp_{std::move(socket)} {}
  explicit lane_socket(std::shared_ptr<udp_stream> datagrams)
    : tcp_{datagrams->get_executor()}, datagrams_{std::move(datagrams)} {}

  executor_type get_executor() { return tcp_.get_executor(); }
  lowest_layer_type& lowest_layer() noexcept { return tcp_; }
  bool is_tcp() const noexcept { return !datagrams_; }

  /// To the first of `targets` that answers.
  boost::asio::awaitable<boost::system::error_code> connect(boost::asio::ip::tcp::resolver::results_type targets);

  /// To be called once it is connected: from now on nothing blocks.
  void begin();

  /// From now on TLS is spoken; `async_handshake` comes next. A client names the `host` that it wants to talk to.
  /// Errors: invalid_argument.
  expected<void> secure(const tls_context& context, const std::string& host = {});

  socket_step read_now(std::span<std::byte> into);
  socket_step write_now(std::span<const boost::asio::const_buffer> from);
  socket_step handshake_now();

  template <class Token>
  auto async_handshake(Token&& token) {
    return repeat([this] { return handshake_now(); }, std::forward<Token>(token));
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& into, Token&& token) {
    auto read = [this, into] {
      for (auto next = boost::asio::buffer_sequence_begin(into); next != boost::asio::buffer_sequence_end(into); ++next)
        if (boost::asio::mutable_buffer part{*next}; part.size() > 0)
          return read_now({static_cast<std::byte*>(part.data()), part.size()});
      return socket_step{};
    };
    return repeat(std::move(read), std::forward<Token>(token));
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& from, Token&& token) {
    auto write = [this, from] {
      std::array<boost::asio::const_buffer, max_parts> parts;
      std::size_t used = 0;
      auto next = boost::asio::buffer_sequence_begin(from);
      for (; used < parts.size() && next != boost::asio::buffer_sequence_end(from); ++next)
        if (boost::asio::const_buffer part{*next}; part.size() > 0)
          parts[used++] = part;
      return used > 0 ? write_now(std::span{parts}.first(used)) : socket_step{};
    };
    return repeat(std::move(write), std::forward<Token>(token));
  }

  /// Whether it is not the socket that will tell of something to read, because it was taken from there already.
  bool has_taken_input() const { return tls_ && tls_->has_input(); }

  /// How much has come that was not read; with TLS it is less, for that adds something of its own.
  std::size_t available() const;

  /// Says that nothing more will be written.
  void shutdown_send();

  /// What is still asked of it fails. Why the handshake or TLS had failed is no longer known.
  void close();

  /// Why reading, writing or the handshake has failed with `why`.
  error explain(const boost::system::error_code& why) const;

private:
  static constexpr std::size_t max_parts = 32;

  /// Tries, and while it would block waits for the socket. Completes only after this has returned.
  template <class Attempt, class Token>
  auto repeat(Attempt attempt, Token&& token) {
    auto work = [this, attempt = std::move(attempt), is_first = true, done = std::optional<socket_step>{}](
                  auto& self, boost::system::error_code failure = {}) mutable {
      if (failure && is_tcp())
        return self.complete(failure, 0);
      if (!done) {
        auto step = attempt();
        auto was_first = std::exchange(is_first, false);
        if (step.wait)
          return wait(*step.wait, std::move(self));
        done = step;
        if (was_first)
          return boost::asio::post(tcp_.get_executor(), std::move(self));
      }
      self.complete(done->failure, done->bytes);
    };
    return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(
      std::move(work), token, tcp_);
  }

  template <class Handler>
  void wait(boost::asio::socket_base::wait_type what, Handler&& handler) {
    if (datagrams_)
      datagrams_->async_wait(what, std::forward<Handler>(handler));
    else
      tcp_.async_wait(what, std::forward<Handler>(handler));
  }

  boost::asio::ip::tcp::socket tcp_;
  std::optional<tls_session> tls_;
  std::shared_ptr<udp_stream> datagrams_;
};

} // namespace sluice

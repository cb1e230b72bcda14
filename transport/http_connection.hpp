#pragma once

#include <exception>
#include <memory>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "transport/http.hpp"
#include "transport/lane_socket.hpp"

namespace sluice {

class http_service;

/// One client of an HTTP server, from its first request to its last: a coroutine on the engine's thread, where
/// everything of it happens.
class http_connection : public std::enable_shared_from_this<http_connection> {
public:
  /// `name` is for the log: `127.0.0.1:4711`.
  http_connection(
    std::shared_ptr<http_service> service, std::uint64_t id, std::string name, boost::asio::ip::tcp::socket socket);

  /// Call once. It lives until it is closed.
  void start();

  void deliver(request_id id, http_answer answer);

  /// Closes it; if a whole request waits for its answer, after that.
  void finish();

  void close();

private:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  class exchange;

  awaitable<void> run();
  void end(const std::exception_ptr& failure);
  awaitable<bool> agree_on_tls();
  awaitable<bool> await_request();
  awaitable<std::optional<http_answer>> await_answer();
  awaitable<bool> write(std::string text);
  awaitable<void> linger();

  /// What is to happen when a deadline has passed.
  enum class late { stop_reading, close };
  void watch(std::chrono::milliseconds limit, late then);
  void unwatch();

  std::shared_ptr<http_service> service_;
  std::uint64_t id_;
  std::string name_;
  lane_socket socket_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer input_; ///< Read, and not parsed.
  request_id waits_for_ = 0;
  std::optional<http_answer> answer_;
  std::uint64_t watches_ = 0;
  bool is_late_ = false;
  bool is_answering_ = false; ///< A request is whole, and its answer not sent.
};

} // namespace sluice

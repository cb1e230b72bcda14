#pragma once

#include <memory>
#include <unordered_map>

#include <boost/asio/ip/tcp.hpp>

#include "transport/handler_gate.hpp"
#include "transport/http.hpp"

namespace sluice {

class http_connection;

/// What the connections of one HTTP server share. `answer`, `finish` and `close` may be called by any thread, all else
/// by the engine's only.
class http_service : public std::enable_shared_from_this<http_service> {
public:
  http_service(boost::asio::io_context& io, const http_options& options, std::shared_ptr<http_handler> handler);

  const http_options& options() const noexcept { return options_; }
  bool is_finishing() const noexcept { return is_finishing_; }

  void admit(boost::asio::ip::tcp::socket socket, const endpoint& from);
  void answer(request_id id, http_answer answer);
  void finish();
  void close();

  // -- for connections ----------------------------------------------------------

  /// What is answered before the body is read.
  std::optional<http_answer> judge(const http_head& head);

  /// Counts memory of a body. False, and nothing has changed, if all bodies together would take too much.
  bool hold(std::size_t bytes);

  /// Counts memory of an answer, which is never too much, but leaves less for bodies.
  void hold_answer(std::size_t bytes) { held_bytes_ += bytes; }
  void release(std::size_t bytes) { held_bytes_ -= bytes; }

  /// Hands a whole request on; what it holds is released when it is answered.
  request_id begin(const std::shared_ptr<http_connection>& by, http_request request, std::size_t held_bytes);

  void refused(unsigned status);
  void leave(std::uint64_t connection);

private:
  struct waiting {
    std::weak_ptr<http_connection> connection;
    std::size_t held_bytes;
  };

  void deliver(request_id id, http_answer answer);
  void end_if_finished();

  boost::asio::io_context& io_;
  http_options options_;
  handler_gate<http_handler> handler_;
  std::unordered_map<std::uint64_t, std::weak_ptr<http_connection>> connections_;
  std::unordered_map<request_id, waiting> waiting_;
  std::uint64_t last_connection_ = 0;
  request_id last_request_ = 0;
  std::size_t held_bytes_ = 0;
  bool is_full_ = false;
  bool is_finishing_ = false;
};

} // namespace sluice

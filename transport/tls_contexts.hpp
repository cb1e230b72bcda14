#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "transport/tls_context.hpp"

namespace sluice {

/// All TLS contexts of a network, which follow their files as long as somebody uses them. Thread-safe.
class tls_contexts : public std::enable_shared_from_this<tls_contexts> {
public:
  /// Hears every few seconds, on the network's thread, how long the certificates in `file` are still valid; less than
  /// nothing, if they are not.
  using expiry_handler = std::function<void(const std::string& file, std::chrono::seconds left)>;

  explicit tls_contexts(boost::asio::io_context& io) : timer_{io} {}

  /// Errors: those of `tls_context::open`.
  expected<std::shared_ptr<const tls_context>> open(tls_files files, tls_side side);

  /// Looks at all files soon, and not only when the time has come.
  void refresh();

  /// No call of the handler that was there before begins after this has returned.
  void report_to(expiry_handler handler);

  /// Looks no more.
  void stop();

private:
  void look();
  void wait();

  std::mutex mutex_;
  std::vector<std::weak_ptr<tls_context>> contexts_;
  expiry_handler report_;
  boost::asio::steady_timer timer_; ///< Only on the network's thread.
  bool is_stopped_ = false;         ///< Likewise.
};

} // namespace sluice

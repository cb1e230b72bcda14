#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "actors/receive_pipeline.hpp"
#include "deploy/cli.hpp"
#include "deploy/ingest_lane.hpp"
#include "deploy/process.hpp"
#include "deploy/tls_options.hpp"

namespace sluice {

/// What is received, and where it is kept.
struct receive_options {
  std::vector<endpoint> listen;
  std::string http_token_file;
  receive_pipeline_config pipeline;
  ingest_options ingest; ///< Without TLS and where to, which the node knows.
  tls_files tls;
};

/// Where within the process the store is, for what is shipped to it from here.
endpoint local_store();

/// A store, and the listeners whose records it takes.
class receive_node {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Opens the store; nothing listens yet.
  static tl::expected<std::unique_ptr<receive_node>, startup_error> open(
    actor_process& process, receive_options options);

  /// Listens on all that the options name. Errors: those of `network::listen`.
  expected<void> listen_all();

  /// Whether it has given up storing.
  bool has_failed() const noexcept { return *has_failed_; }

  /// Lets what has come be stored and answered, then closes the store, unless that takes too long, fails, or there is
  /// another signal (`signals` may be null); then it says so.
  exit_code drain(std::string_view verb, signal_wait* signals, time_point deadline);

private:
  receive_node(actor_process& process, receive_options options, std::string http_token)
    : process_(process), options_(std::move(options)), http_token_(std::move(http_token)) {}

  void start(std::unique_ptr<store> opened);
  expected<endpoint> listen(const endpoint& where);
  bool drain_lanes(signal_wait* signals, time_point deadline);

  actor_process& process_;
  receive_options options_;
  std::string http_token_;
  std::shared_ptr<std::atomic<bool>> has_failed_ = std::make_shared<std::atomic<bool>>(false);
  receive_pipeline_actor pipeline_;
  std::vector<std::unique_ptr<listener>> links_;
  std::vector<ingest_lane> lanes_; ///< They bring what they take to `links_`, within the process.
};

/// Where to listen. Errors: invalid_argument.
expected<endpoint> parse_listen_address(std::string_view url);

/// Smaller segments would cost more in headers, footers and syncs than they hold. Errors: invalid_argument.
expected<std::uint64_t> parse_segment_size(std::string_view text);

/// `text` or `json`. Errors: invalid_argument.
expected<line_form> parse_line_form(std::string_view text);

/// 1KiB to 8MiB. Errors: invalid_argument.
expected<std::size_t> parse_message_size(std::string_view text);

} // namespace sluice

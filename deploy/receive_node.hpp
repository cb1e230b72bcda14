#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/receive_pipeline.hpp"
#include "deploy/cli.hpp"
#include "deploy/ingest_lane.hpp"
#include "deploy/process.hpp"
#include "deploy/running_pipeline.hpp"
#include "deploy/ship_node.hpp"
#include "deploy/tls_options.hpp"

namespace sluice {

/// What is received, and where it is kept or goes.
struct receive_options {
  std::vector<endpoint> listen;
  std::string http_token_file;
  receive_pipeline_config pipeline;
  ingest_options ingest; ///< Without what is read from files.
  tls_files tls;
  std::optional<ship_options> relay; ///< Instead of a store; without frames.
};

/// Listeners as they are configured.
struct listener_changes {
  std::vector<endpoint> added, removed;
  std::vector<std::pair<endpoint, endpoint>> replaced; ///< What, and by what.
};

/// Where within the process the store is, for what is shipped to it from here.
endpoint local_store();

/// Whether it is for frames, as opposed to what other software speaks.
bool takes_frames(const endpoint& listener);

/// Whether both are for one port of one protocol.
bool have_same_address(const endpoint& a, const endpoint& b);

/// Listeners, and the store that takes their records, unless they go on to another node.
class receive_node {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Opens the store, if there is one; nothing listens yet.
  static tl::expected<std::unique_ptr<receive_node>, startup_error> open(
    actor_process& process, receive_options options);

  /// Listens on all that the options name.
  std::optional<startup_error> listen_all();

  /// Whether it has given up storing, or one of the listeners.
  bool has_failed() const;

  /// Lets what has come be stored and answered, then closes the store, unless that takes too long, fails, or there is
  /// another signal (`signals` may be null); then it says so.
  exit_code drain(std::string_view verb, signal_wait* signals, time_point deadline);

  /// Opens what `next` has and is not there; its store is the present one. What is there goes on. `commit` or `undo`
  /// comes next, the latter after a failure. Adds to `changes` the HTTP listeners whose token file says something else.
  std::optional<startup_error> prepare(receive_options next, listener_changes& changes);

  /// Goes over to what was prepared. Returns what is to be ended of what was there; that is closed for newcomers.
  std::vector<running_pipeline> commit();

  /// Closes what was prepared for newcomers. Returns what is to be ended of it.
  std::vector<running_pipeline> undo();

private:
  struct lane {
    endpoint wanted;                            ///< As it is configured.
    endpoint local{};                           ///< With the actual port.
    std::uint64_t number = 0;                   ///< Never used again.
    std::unique_ptr<listener> links{};          ///< For frames,
    std::optional<running_pipeline> pipeline{}; ///< for all else.
  };
  struct change {
    receive_options options;
    std::vector<endpoint> ended;
    std::vector<lane> opened{};
  };

  receive_node(actor_process& process, receive_options options) : process_(process), options_(std::move(options)) {}

  void start(std::unique_ptr<store> opened);
  tl::expected<lane, startup_error> listen(
    const receive_options& options, const endpoint& wanted, const endpoint& where, bool takes_over);
  tl::expected<ship_pipeline_config, startup_error> make_onward(const receive_options& options);
  void replace_http(listener_changes& changes) const;
  std::vector<running_pipeline> close(std::vector<lane> lanes);
  bool drain_lanes(std::string_view verb, signal_wait* signals, time_point deadline);

  actor_process& process_;
  receive_options options_;
  std::shared_ptr<std::atomic<bool>> has_failed_ = std::make_shared<std::atomic<bool>>(false);
  receive_pipeline_actor pipeline_; ///< Null without a store.
  std::vector<lane> lanes_;         ///< What they take comes to the store through `local_store`.
  std::uint64_t last_lane_ = 0;
  std::set<std::pair<std::string, std::uint16_t>> left_; ///< Addresses of former listeners, which may still be closing.
  std::optional<change> prepared_;
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

#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/ship_pipeline.hpp"
#include "actors/source/line_joiner.hpp"
#include "deploy/cli.hpp"
#include "deploy/process.hpp"
#include "deploy/tls_options.hpp"

namespace sluice {

/// What is shipped, and how.
struct ship_options {
  std::vector<std::string> sources; ///< Paths, patterns, `-`.
  std::vector<endpoint> to;
  std::filesystem::path state; ///< Keeps the agent's identity, and what it knows.
  label_set labels;
  compression how;
  batch_limits batch;
  bool is_following = false;
  follow_config follow;
  transform_config transforms;
  std::shared_ptr<const line_joiner> joiner; ///< If not every line is a record.
  std::chrono::milliseconds multiline_timeout = file_source_config{}.multiline_timeout;
  backoff_config retry;
  std::chrono::milliseconds request_timeout = shipper_config{}.request_timeout;
  /// How long a receiver that has never answered is tried once there is nothing more to read; for ever, if not set.
  std::optional<std::chrono::milliseconds> first_answer_within;
  spool_limits spool;
  overload_config overload;
  tls_files tls;
};

/// Actors that ship.
struct ship_node {
  ship_pipeline_actor pipeline;
  std::shared_ptr<abandoned_input> abandoned;
  bool has_spool = false;
};

/// Opens every source that is not followed, begins a start of the agent, and starts the actors.
tl::expected<ship_node, startup_error> start_ship_node(actor_process& process, const ship_options& options);

/// How large batches are that go `to` these, unless somebody says so: over UDP a usual frame shall fit a datagram.
std::size_t usual_batch_bytes(const std::vector<endpoint>& to);

/// Whether it can be started, but for its spool, which one that runs may have. It counts as a start of the agent.
std::optional<startup_error> check_ship_node(actor_process& process, const ship_options& options);

/// For what is received and shipped on: with a spool, and nothing that it comes from yet.
tl::expected<ship_pipeline_config, startup_error> make_relay(actor_process& process, const ship_options& options);

/// The same with a spool that is nobody's any more and not empty, if there is one, to be shipped.
tl::expected<std::optional<ship_pipeline_config>, startup_error> make_left_relay(
  actor_process& process, const ship_options& options);

/// What holds wherever records come from: receivers, limits, TLS. Of `state` only the checkpoints.
tl::expected<ship_pipeline_config, startup_error> make_outlet(actor_process& process, const ship_options& options);

/// Adds the label `host`, unless it is there. Errors: invalid_argument.
expected<void> add_host(label_set& labels);

/// 1KiB to 16MiB. Errors: invalid_argument.
expected<std::size_t> parse_batch_bytes(std::string_view text);

/// 32MiB at least. Errors: invalid_argument.
expected<std::uint64_t> parse_spool_bytes(std::string_view text);

/// Of a receiver. Errors: invalid_argument.
expected<endpoint> parse_destination(std::string_view url);

} // namespace sluice

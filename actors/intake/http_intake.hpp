#pragma once

#include <deque>
#include <memory>

#include <caf/fwd.hpp>

#include "actors/intake/http_queue.hpp"
#include "actors/intake/intake_outlet.hpp"
#include "actors/interfaces.hpp"

namespace sluice {

struct environment;

/// What an HTTP intake has at hand. It outlives the actor, as `intake_records` do.
struct http_intake_state {
  explicit http_intake_state(const http_ingest& how) : endpoints(how), queue(std::make_shared<http_queue>(endpoints)) {}

  struct waiting {
    request_id id;
    std::uint64_t position; ///< Where its records end.
    http_answer answer;
  };

  const http_ingest endpoints;
  const std::shared_ptr<http_queue> queue;
  std::unique_ptr<http_listener> listener; ///< Into `queue`; null once nothing more is taken.
  intake_records records;
  std::deque<waiting> answers; ///< In the order of their positions.
};

struct http_intake_config {
  intake_stream stream;
  /// Bytes of records that may be made and not be durable before the next request is looked at.
  std::size_t window_bytes = 32 * 1024 * 1024;
  std::shared_ptr<http_intake_state> state;
};

/// Starts an actor that makes batches of what comes over HTTP, and answers each request when its records are durable.
source_actor spawn_http_intake(
  caf::actor_system& system, environment& env, http_intake_config config, compressor_actor next);

} // namespace sluice

#pragma once

#include <chrono>
#include <memory>

#include <caf/fwd.hpp>

#include "actors/intake/line_form.hpp"
#include "actors/ship_pipeline.hpp"
#include "actors/transform/transforms.hpp"
#include "messages/errc.hpp"
#include "messages/stream.hpp"
#include "transport/endpoint.hpp"

namespace sluice {

struct environment;
class tls_context;

/// How far the zone of this machine is ahead of UTC at `at`, a local time. Where the clock is put back, so that a local
/// time comes twice, the one in the season of `now` counts.
std::chrono::seconds host_utc_offset(std::chrono::local_seconds at, timestamp now);

/// Whether `scheme` is of a lane for what other software speaks, such as `syslog+tcp`.
bool is_ingest_scheme(std::string_view scheme);

/// A listener for what other software speaks, and the actors that bring its records to a receiver.
struct ingest_lane {
  endpoint local; ///< With the actual port.
  ship_pipeline_actor pipeline;
};

struct ingest_options {
  std::size_t max_message_bytes = 64 * 1024;
  line_form lines = line_form::text;
  transform_config transforms;
  std::string http_token;                 ///< That every request must have; empty: anybody may send.
  std::shared_ptr<const tls_context> tls; ///< For `https`, and schemes that end in `+tls`.
};

/// `onward` says how what the lane takes goes on, and where. `takes_over` is that of `link_options`. Errors: those of
/// `network::listen`.
expected<ingest_lane> open_ingest_lane(caf::actor_system& system, environment& env, const endpoint& where,
  const ingest_options& options, bool takes_over, ship_pipeline_config onward);

} // namespace sluice

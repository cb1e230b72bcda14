#pragma once

#include "deploy/ingest_lane.hpp"

namespace sluice {

/// Whether `scheme` is of a lane for what speaks HTTP.
bool is_http_scheme(std::string_view scheme);

/// As `open_ingest_lane`.
expected<ingest_lane> open_http_lane(caf::actor_system& system, environment& env, const endpoint& where,
  const ingest_options& options, bool takes_over, ship_pipeline_config onward);

} // namespace sluice

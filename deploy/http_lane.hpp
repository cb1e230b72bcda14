#pragma once

#include <string>

#include "deploy/ingest_lane.hpp"

namespace sluice {

/// Whether `scheme` is of a lane for what speaks HTTP.
bool is_http_scheme(std::string_view scheme);

struct http_lane_options {
  std::string bearer_token;               ///< Empty: anybody may send.
  std::shared_ptr<const tls_context> tls; ///< For `https`.
  endpoint to;                            ///< The receiver.
};

/// Errors: those of `network::listen`.
expected<ingest_lane> open_http_lane(
  caf::actor_system& system, environment& env, const endpoint& where, const http_lane_options& options);

} // namespace sluice

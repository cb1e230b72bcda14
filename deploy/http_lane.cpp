#include "deploy/http_lane.hpp"

#include "actors/intake/http_intake.hpp"
#include "actors/runtime/environment.hpp"
#include "messages/uuid.hpp"

namespace sluice {

bool is_http_scheme(std::string_view scheme) {
  return scheme == "http" || scheme == "https";
}

expected<ingest_lane> open_http_lane(caf::actor_system& system, environment& env, const endpoint& where,
  const ingest_options& options, bool takes_over, ship_pipeline_config onward) {
  const http_options limits{.tls = options.tls, .takes_over = takes_over};
  auto state = std::make_shared<http_intake_state>(
    http_ingest{{.bearer_token = options.http_token, .max_body_bytes = limits.max_body_bytes}});
  auto listener = env.net.listen(where, limits, state->queue);
  if (!listener)
    return fail(listener.error());
  auto local = (*listener)->local();
  state->listener = std::move(*listener);
  http_intake_config intake;
  intake.stream.name = to_string(local);
  intake.stream.id = {make_uuid(), make_uuid()};
  intake.stream.limits = onward.batch;
  intake.state = state;
  for (auto& [key, value] : {std::pair{"lane", local.scheme}, std::pair{"listener", to_string(local)}})
    if (auto set = intake.stream.labels.set(key, value); !set)
      return fail(set.error());
  onward.http_intake = std::move(intake);
  onward.transforms = options.transforms;
  return ingest_lane{local, spawn_ship_pipeline(system, env, std::move(onward))};
}

} // namespace sluice

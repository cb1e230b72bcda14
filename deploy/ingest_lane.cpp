#include "deploy/ingest_lane.hpp"

#include <ctime>

#include "actors/intake/intake.hpp"
#include "actors/intake/line_source.hpp"
#include "actors/intake/syslog_source.hpp"
#include "actors/runtime/environment.hpp"
#include "messages/uuid.hpp"

namespace sluice {

namespace {

constexpr std::string_view syslog_tcp = "syslog+tcp";
constexpr std::string_view syslog_tls = "syslog+tls";
constexpr std::string_view syslog_udp = "syslog+udp";
constexpr std::string_view lines_tcp = "lines+tcp";

std::unique_ptr<record_source> make_source(std::string_view scheme, const ingest_options& options, environment& env) {
  framed_limits limits{.max_message_bytes = options.max_message_bytes};
  if (scheme == lines_tcp)
    return std::make_unique<line_source>(limits, options.lines);
  return std::make_unique<syslog_source>(
    limits, [&env](std::chrono::local_seconds at) { return host_utc_offset(at, env.now()); });
}

} // namespace

std::chrono::seconds host_utc_offset(std::chrono::local_seconds at, timestamp now) {
  auto moment = std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::microseconds>(now));
  std::tm present{}, local{};
  localtime_r(&moment, &present);
  moment = static_cast<std::time_t>(at.time_since_epoch().count());
  gmtime_r(&moment, &local);
  local.tm_isdst = present.tm_isdst;
  std::mktime(&local);
  return std::chrono::seconds{local.tm_gmtoff};
}

bool is_ingest_scheme(std::string_view scheme) {
  return scheme == syslog_tcp || scheme == syslog_tls || scheme == syslog_udp || scheme == lines_tcp;
}

expected<ingest_lane> open_ingest_lane(caf::actor_system& system, environment& env, const endpoint& where,
  const ingest_options& options, bool takes_over, ship_pipeline_config onward) {
  auto state = std::make_shared<intake_state>();
  state->records = make_source(where.scheme, options, env);
  const datagram_options datagrams{.takes_over = takes_over};
  const byte_options bytes{.tls = options.tls, .takes_over = takes_over};
  auto listener = where.scheme == syslog_udp ? env.net.listen(where, datagrams, state->queue)
                                             : env.net.listen(where, bytes, state->queue);
  if (!listener)
    return fail(listener.error());
  auto local = (*listener)->local();
  state->listener = std::move(*listener);
  intake_config intake;
  intake.listens_on = local;
  intake.stream = {make_uuid(), make_uuid()};
  intake.batch = onward.batch;
  intake.state = state;
  for (auto& [key, value] : {std::pair{"lane", local.scheme}, std::pair{"listener", to_string(local)}})
    if (auto set = intake.labels.set(key, value); !set)
      return fail(set.error());
  onward.intake = std::move(intake);
  onward.transforms = options.transforms;
  return ingest_lane{local, spawn_ship_pipeline(system, env, std::move(onward))};
}

} // namespace sluice

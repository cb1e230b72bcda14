#include "actors/ship_pipeline.hpp"

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include "actors/batcher/batcher.hpp"
#include "actors/compressor/compressor.hpp"

namespace sluice {

void ship_pipeline::kill() {
  caf::anon_send_exit(source, caf::exit_reason::kill);
  caf::anon_send_exit(batcher, caf::exit_reason::kill);
  caf::anon_send_exit(compressor, caf::exit_reason::kill);
  if (spool)
    caf::anon_send_exit(spool, caf::exit_reason::kill);
  caf::anon_send_exit(shipper, caf::exit_reason::kill);
}

ship_pipeline spawn_ship_pipeline(caf::actor_system& system, environment& env, ship_pipeline_config config) {
  auto pool = std::make_shared<buffer_pool>();
  ship_pipeline made;
  config.source.limits.max_bytes = config.batch.max_bytes;
  config.source.limits.max_events = config.batch.max_events;
  made.shipper = spawn_shipper(system, env, std::move(config.ship));
  if (config.spool)
    made.spool = spawn_spool(system, env, std::move(*config.spool), made.shipper);
  made.compressor = spawn_compressor(system, config.how, made.outlet());
  made.batcher = spawn_batcher(system, config.batch, pool, made.compressor);
  made.source = spawn_file_source(system, env, std::move(config.source), pool, made.batcher);
  return made;
}

} // namespace sluice

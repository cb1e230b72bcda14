#pragma once

#include <caf/fwd.hpp>

#include "actors/batcher/batch_builder.hpp"
#include "actors/intake/api_intake.hpp"
#include "actors/intake/http_intake.hpp"
#include "actors/intake/intake.hpp"
#include "actors/interfaces.hpp"
#include "actors/shipper/shipper.hpp"
#include "actors/source/file_source.hpp"
#include "actors/spool/spool.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/transform/transforms.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {

struct environment;

struct ship_pipeline_config {
  file_source_config source;
  std::optional<intake_config> intake;           ///< Instead of `source` and the batcher.
  std::optional<http_intake_config> http_intake; ///< Likewise.
  std::optional<api_intake_config> api_intake;   ///< Likewise.
  batch_limits batch;
  transform_config transforms; ///< Of the batches.
  compression how;
  shipper_config ship;
  std::optional<spool_config> spool; ///< Needed for what cannot be read twice.
  restart_intensity intensity;
};

/// Starts shipper, spool (if there is to be one), compressor, transformer (if there are transforms), batcher (unless
/// records are received) and source on this node, joined, and all of them anew when one fails: what is on its way
/// between two of them belongs to neither. Their names as children are those in this sentence.
ship_pipeline_actor spawn_ship_pipeline(caf::actor_system& system, environment& env, ship_pipeline_config config);

} // namespace sluice

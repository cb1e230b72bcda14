#pragma once

#include <caf/fwd.hpp>

#include "actors/batcher/batch_builder.hpp"
#include "actors/interfaces.hpp"
#include "actors/shipper/shipper.hpp"
#include "actors/source/file_source.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {

struct environment;

struct ship_pipeline_config {
  file_source_config source;
  batch_limits batch;
  compression how;
  shipper_config ship;
};

/// The actors between files and a receiver.
struct ship_pipeline {
  source_actor source;
  batcher_actor batcher;
  compressor_actor compressor;
  shipper_actor shipper;

  /// Ends them, whatever they are doing.
  void kill();
};

/// Starts source, batcher, compressor and shipper on this node, joined.
ship_pipeline spawn_ship_pipeline(caf::actor_system& system, environment& env, ship_pipeline_config config);

} // namespace sluice

#pragma once

#include <caf/fwd.hpp>

#include "actors/batcher/batch_builder.hpp"
#include "actors/interfaces.hpp"
#include "actors/shipper/shipper.hpp"
#include "actors/source/file_source.hpp"
#include "actors/spool/spool.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {

struct environment;

struct ship_pipeline_config {
  file_source_config source;
  batch_limits batch;
  compression how;
  shipper_config ship;
  std::optional<spool_config> spool; ///< Needed for what cannot be read twice.
};

/// The actors between files and a receiver.
struct ship_pipeline {
  source_actor source;
  batcher_actor batcher;
  compressor_actor compressor;
  spool_actor spool; ///< If there is one.
  shipper_actor shipper;

  /// Where the compressor's frames go: who has to be asked how it stands, and for the drain.
  downstream_actor outlet() const { return spool ? downstream_actor{spool} : downstream_actor{shipper}; }

  /// Ends them, whatever they are doing.
  void kill();
};

/// Starts source, batcher, compressor, perhaps a spool, and shipper on this node, joined.
ship_pipeline spawn_ship_pipeline(caf::actor_system& system, environment& env, ship_pipeline_config config);

} // namespace sluice

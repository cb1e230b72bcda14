#pragma once

#include <memory>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"

namespace sluice {

struct environment;
class store;

/// Starts the actor that owns `opened` and commits in groups: whatever waits is written and synced together.
storage_writer_actor spawn_storage_writer(caf::actor_system& system, environment& env, std::unique_ptr<store> opened);

} // namespace sluice

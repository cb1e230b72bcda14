#pragma once

#include <cstdint>
#include <functional>

#include "messages/stream.hpp"

namespace sluice {

class executor;
class file_system;
class network;

/// What an actor may know of the world outside: the seams. Outlives every actor that refers to it. Waiting is not here:
/// that is the actor clock's (actors/runtime/awaitables.hpp).
struct environment {
  network& net;
  file_system& files;
  executor& io;                   ///< For calls of `files`, which block.
  std::function<timestamp()> now; ///< Time of day, for what is stored; thread-safe.
  std::uint64_t seed = 0;         ///< Of every random decision.
};

} // namespace sluice

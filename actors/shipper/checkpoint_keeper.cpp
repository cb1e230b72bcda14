#include "actors/shipper/checkpoint_keeper.hpp"

#include <caf/scheduled_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

/// To save, while other processes of the agent have the file, which they do for moments only.
constexpr int max_attempts = 50;
constexpr std::chrono::milliseconds pause_between_attempts{20};

} // namespace

task<void> checkpoint_keeper::load() {
  if (where_.empty())
    co_return;
  auto read = co_await run_blocking(
    self_, env_.io, [&files = env_.files, where = where_] { return checkpoints::read(files, where); });
  if (read)
    known_ = std::move(*read);
  else
    spdlog::warn("shipper: {}; going on without what it says", read.error().message);
}

task<void> checkpoint_keeper::save() {
  auto changed = known_.take_changes();
  if (changed.empty())
    co_return;
  expected<void> saved;
  for (int i = 0; i < max_attempts; ++i) {
    if (i > 0)
      co_await sleep_for(self_, pause_between_attempts);
    saved = co_await run_blocking(self_, env_.io,
      [&files = env_.files, where = where_, changed] { return checkpoints::update(files, where, changed); });
    if (saved || saved.error().code != errc::locked)
      break;
  }
  if (saved)
    co_return;
  known_.put_back(changed);
  spdlog::warn("shipper: {}; a restart will have to ask the receivers", saved.error().message);
}

} // namespace sluice

#pragma once

#include <filesystem>

#include <caf/fwd.hpp>

#include "actors/runtime/task.hpp"
#include "actors/shipper/checkpoints.hpp"

namespace sluice {

struct environment;

/// Keeps checkpoints in a file, for the actor that it belongs to, which does not wait for a disk meanwhile. What cannot
/// be read or saved is said on the log, and done without.
class checkpoint_keeper {
public:
  /// Nothing is kept if `where` is empty.
  checkpoint_keeper(caf::scheduled_actor* self, environment& env, std::filesystem::path where)
    : self_(self), env_(env), where_(std::move(where)) {}

  /// Reads what the file has; before anything else.
  task<void> load();

  /// Saves what has changed; what cannot be saved is saved with the next changes.
  task<void> save();

  /// Null if the stream is not known.
  const checkpoints::entry* find(const stream_id& stream) const { return known_.find(stream); }

  /// Returns whether there is something to save now, and was nothing before.
  bool set(const stream_id& stream, const checkpoints::entry& known) {
    return !where_.empty() && known_.set(stream, known);
  }
  void erase(const stream_id& stream) { known_.erase(stream); }

  /// Whether there is something to save.
  bool changed() const noexcept { return known_.changed(); }

private:
  caf::scheduled_actor* self_;
  environment& env_;
  std::filesystem::path where_;
  checkpoints known_;
};

} // namespace sluice

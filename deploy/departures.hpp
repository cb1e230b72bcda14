#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "deploy/running_pipeline.hpp"

namespace sluice {

/// Pipelines that a node does not need any more, on their way out, while it goes on. Not thread-safe.
class departures {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Tells it to take nothing more. What it has taken has until `deadline` to arrive.
  void add(running_pipeline which, std::optional<time_point> deadline);

  /// Lets go of those that are done or late, and says so. Returns whether a late one has ended by now.
  bool settle(time_point now);

  bool contains(std::string_view name) const;

  /// When `settle` has something to do though nothing happens.
  std::optional<time_point> next_deadline() const;

  /// Waits for all of them. Returns whether everything has arrived.
  bool wait(signal_wait* signals, time_point deadline);

private:
  struct departure {
    running_pipeline pipeline;
    std::optional<time_point> deadline;
    bool is_told_to_end = false;
    bool is_late = false;
  };

  /// Says how it has ended. Returns whether everything has arrived.
  bool end(departure& x);

  std::vector<departure> all_;
};

} // namespace sluice

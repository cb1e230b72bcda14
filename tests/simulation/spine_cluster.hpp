#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/simulation/spine_applications.hpp"
#include "tests/simulation/spine_run.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

/// What was there from the beginning, at one path.
struct finished_log {
  std::string host, path;
  std::string text;
};

/// Decides about what was added to the runs later, so that a seed still means what it meant before.
class further_choices {
public:
  explicit further_choices(std::uint64_t seed) : random_(~seed) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

private:
  std::mt19937_64 random_;
};

/// The machines of a run, what is written on them, and what has happened to them so far. All of it follows the seed.
class spine_cluster {
public:
  spine_cluster(std::uint64_t seed, const spine_options& options);

  /// Starts all processes and applications.
  void start();

  /// Kills a shipper's process, now or within a moment, then calls `then`.
  void kill(sim_shipper& shipper, std::function<void()> then);

  sim_receiver& some_receiver() { return *receivers[world.random_below(receivers.size())]; }
  sim_shipper& some_shipper() { return *shippers[world.random_below(shippers.size())]; }

  caf::timespan random_time(caf::timespan limit);
  /// Short times are as likely as long ones.
  caf::timespan random_scale(caf::timespan limit);
  bool one_in(std::uint64_t n) { return world.random_below(n) == 0; }

  std::uint64_t seed;
  further_choices further{seed};
  caf::timespan busy_time; ///< In which applications write and faults begin.
  spine_coverage seen;
  std::string failure; ///< The first that was met.
  sim_world world;
  std::vector<std::unique_ptr<sim_receiver>> receivers;
  std::vector<std::unique_ptr<sim_shipper>> shippers;
  std::vector<finished_log> logs;
  std::vector<std::unique_ptr<application>> applications;

private:
  void add_receiver(std::uint64_t number, const spine_options& options);
  void add_shipper(std::uint64_t number);
  void add_failover(ship_pipeline_config& to);
  void add_overload(ship_pipeline_config& to);
  void add_files(sim_shipper& to);
  void add_followed_files(sim_shipper& to);
  void add_twin(sim_shipper& other);
};

} // namespace sluice::test

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/spine_run.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

/// What was written to one path, by one host, since the beginning.
struct written_log {
  std::string host, path;
  std::vector<std::string> files; ///< Contents, oldest first.
};

/// The machines of a run, what is written on them, and what has happened to them so far. All of it follows the seed.
class spine_cluster {
public:
  spine_cluster(std::uint64_t seed, const spine_options& options);

  /// Starts all processes.
  void start();

  sim_receiver& some_receiver() { return *receivers[world.random_below(receivers.size())]; }
  sim_shipper& some_shipper() { return *shippers[world.random_below(shippers.size())]; }

  caf::timespan random_time(caf::timespan limit);
  /// Short times are as likely as long ones.
  caf::timespan random_scale(caf::timespan limit);
  bool one_in(std::uint64_t n) { return world.random_below(n) == 0; }

  std::uint64_t seed;
  spine_coverage seen;
  std::string failure; ///< The first that was met.
  sim_world world;
  std::vector<std::unique_ptr<sim_receiver>> receivers;
  std::vector<std::unique_ptr<sim_shipper>> shippers;
  std::vector<written_log> logs;

private:
  void add_receiver(std::uint64_t number, const spine_options& options);
  void add_shipper(std::uint64_t number);
  void add_twin(sim_shipper& other);
};

} // namespace sluice::test

#pragma once

#include <set>

#include "tests/simulation/spine_cluster.hpp"

namespace sluice::test {

/// Lets things fail at random times of a run's first seconds, and mends them later.
class spine_faults {
public:
  explicit spine_faults(spine_cluster& cluster) : cluster_(cluster) {}

  void schedule();

  /// Whether all that has failed is mended.
  bool are_over() const noexcept { return pending_ == 0; }

private:
  template <class F>
  void after(caf::timespan delay, F work);

  void strike();
  void lose_connection();
  void lose_connections();
  void partition();
  void slow_down();
  void freeze(const std::string& host);
  void shift_clock();
  void crash(sim_receiver& receiver);
  void crash_within_commit(sim_receiver& receiver);
  void fail_power(sim_receiver& receiver);
  void restart(sim_receiver& receiver, caf::timespan delay);
  void kill_shipper(sim_shipper& shipper);
  void kill_actor(sim_shipper& shipper);
  void kill_actor(sim_receiver& receiver);
  void strike_shippers_disk();
  void fill_disk(sim_file_system& disk);
  void fail_disk(sim_file_system& disk, const std::filesystem::path& folder);
  void mend(sim_file_system& disk, caf::timespan delay);

  spine_cluster& cluster_;
  std::uint64_t pending_ = 0;              ///< Strikes and repairs to come.
  std::set<const sim_receiver*> crashing_; ///< Power is about to fail.
  std::set<const sim_file_system*> bad_disks_;
  std::set<const sim_shipper*> ending_; ///< About to be killed.
};

} // namespace sluice::test

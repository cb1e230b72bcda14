#pragma once

#include <initializer_list>
#include <string>

#include "tests/simulation/spine_cluster.hpp"

namespace sluice::test {

/// What must hold at the end of every run. Each check returns what is wrong, or nothing.
class spine_oracle {
public:
  explicit spine_oracle(spine_cluster& cluster) : cluster_(cluster) {}

  /// Every shipper has had everything acknowledged, unless a newer start of its agent has fenced it.
  std::string check_outcomes();

  /// In every process, and between the components of a pipeline, nothing has vanished.
  std::string check_ledgers();

  /// Nobody says anything any more.
  std::string check_quiet();

  /// Every store is sound, and together they hold what was written, each file in order and once. What was acknowledged
  /// must be there though the power fails first.
  std::string check_stores();

private:
  std::string check_process(const std::string& host, const stats_snapshot& metrics,
    std::initializer_list<const char*> components, bool may_hold = false);
  std::string check_store(sim_receiver& receiver);

  spine_cluster& cluster_;
};

} // namespace sluice::test

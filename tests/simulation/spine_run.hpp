#pragma once

#include <cstdint>
#include <string>

namespace sluice::test {

/// What a run, or many, have met; a simulation that meets nothing shows nothing.
struct spine_coverage {
  std::uint64_t records = 0;
  std::uint64_t lost_connections = 0;
  std::uint64_t partitions = 0;
  std::uint64_t crashes = 0; ///< Of the receiver: killed, or power failed.
  std::uint64_t shipper_kills = 0;
  std::uint64_t torn_tails = 0; ///< Cut at a start of the receiver.
  std::uint64_t duplicates = 0; ///< Records that the last receiver had already.
  std::uint64_t made_again = 0; ///< Records that sources had to read again.
  std::uint64_t fenced = 0;     ///< Shippers that a later start of their agent has ended.

  void add(const spine_coverage& x) noexcept;
};

std::string to_string(const spine_coverage& x);

struct spine_options {
  bool disk_ignores_syncs = false;
};

struct spine_result {
  std::string failure; ///< Empty if all is as it should be.
  std::uint64_t trace = 0;
  spine_coverage seen;
};

/// Ships files with hostile content from one to three machines to a receiver, over a network with faults, until all is
/// acknowledged; then the receiver's power fails, and what is stored is compared with the files.
spine_result run_spine(std::uint64_t seed, const spine_options& options);

} // namespace sluice::test

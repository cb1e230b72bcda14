#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sluice::test {

/// How often what has happened, in a run or in many: a simulation that meets nothing shows nothing.
class spine_coverage {
public:
  std::uint64_t& operator[](const char* what) { return counts_[what]; }
  void add(const spine_coverage& x);
  const std::map<std::string, std::uint64_t>& counts() const noexcept { return counts_; }

private:
  std::map<std::string, std::uint64_t> counts_;
};

std::string to_string(const spine_coverage& x);

/// What receivers' disks do wrong, to find out whether that is found out.
struct spine_options {
  bool disk_ignores_syncs = false;
  bool disk_ignores_folder_syncs = false;
};

struct spine_result {
  std::string failure; ///< Empty if all is as it should be.
  std::uint64_t trace = 0;
  spine_coverage seen;
};

/// Ships from one to three machines to one or two receivers, or to either of them, while networks, disks, clocks and
/// processes fail; the seed says what is shipped and what fails. Once nothing fails any more, all must become
/// acknowledged and quiet. Then the receivers' power fails, and what is stored is compared with what was written.
spine_result run_spine(std::uint64_t seed, const spine_options& options);

} // namespace sluice::test

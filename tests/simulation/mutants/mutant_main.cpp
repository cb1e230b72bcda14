#include <cstdlib>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/spine_run.hpp"

/// A test of the tests: this program is linked with something that is wrong, and succeeds if one of the first seeds
/// finds that out.
int main() {
  constexpr std::uint64_t seeds = 500;
  spdlog::set_level(spdlog::level::off);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    auto result = sluice::test::run_spine(seed, {});
    if (!result.failure.empty()) {
      fmt::print("found out by seed {}: {}\n", seed, result.failure);
      return EXIT_SUCCESS;
    }
  }
  fmt::print("not found out by {} seeds\n", seeds);
  return EXIT_FAILURE;
}

#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/spine_run.hpp"

namespace sluice::test {

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  auto* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class spine : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

} // namespace

// `SLUICE_SEEDS` says how many seeds, `SLUICE_SEED` replays one, with the log.
TEST_F(spine, loses_and_doubles_nothing_whatever_the_network_and_the_power_do) {
  auto single = std::getenv("SLUICE_SEED") != nullptr;
  if (single)
    spdlog::set_level(spdlog::level::debug);
  auto first = number_from("SLUICE_SEED", 1);
  auto count = single ? 1 : number_from("SLUICE_SEEDS", 500);
  spine_coverage seen;
  for (auto seed = first; seed < first + count; ++seed) {
    auto result = run_spine(seed, {});
    seen.add(result.seen);
    ASSERT_EQ(result.failure, "") << fmt::format("seed {}: {}; replay with SLUICE_SEED={}", seed, result.failure, seed);
  }
  fmt::print("{} seeds: {}\n", count, to_string(seen));
  if (count >= 100) {
    EXPECT_GT(seen.lost_connections, 0);
    EXPECT_GT(seen.partitions, 0);
    EXPECT_GT(seen.crashes, 0);
    EXPECT_GT(seen.shipper_kills, 0);
    EXPECT_GT(seen.torn_tails, 0);
    EXPECT_GT(seen.duplicates, 0);
    EXPECT_GT(seen.made_again, 0);
  }
}

TEST_F(spine, runs_the_same_way_for_the_same_seed) {
  for (auto seed : {1, 7, 42}) {
    auto once = run_spine(seed, {});
    auto twice = run_spine(seed, {});
    EXPECT_EQ(once.trace, twice.trace) << "seed " << seed;
    EXPECT_NE(once.trace, run_spine(seed + 1, {}).trace);
  }
}

// The oracle of the first test can fail: a disk that lies about syncs loses what was acknowledged.
TEST_F(spine, finds_out_a_disk_that_does_not_sync) {
  auto found = 0;
  for (auto seed = 1; seed <= 50; ++seed)
    found += !run_spine(seed, {.disk_ignores_syncs = true}).failure.empty();
  EXPECT_GT(found, 10);
}

} // namespace sluice::test

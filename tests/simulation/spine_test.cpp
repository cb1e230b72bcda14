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

  /// How many of the first 50 seeds fail.
  static int failures(const spine_options& options) {
    auto found = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed)
      found += !run_spine(seed, options).failure.empty();
    return found;
  }
};

} // namespace

// `SLUICE_SEED` replays one seed, with the log. Otherwise `SLUICE_SEEDS` says how many, from 1 on or from
// `SLUICE_FIRST_SEED`, and `SLUICE_SEED_STEP` leaves some to other processes.
TEST_F(spine, loses_and_doubles_nothing_whatever_fails) {
  auto single = std::getenv("SLUICE_SEED") != nullptr;
  if (single)
    spdlog::set_level(spdlog::level::debug);
  auto first = number_from(single ? "SLUICE_SEED" : "SLUICE_FIRST_SEED", 1);
  auto count = single ? 1 : number_from("SLUICE_SEEDS", 1'000);
  auto step = number_from("SLUICE_SEED_STEP", 1);
  spine_coverage seen;
  std::uint64_t runs = 0;
  for (auto seed = first; seed < first + count; seed += step, ++runs) {
    auto result = run_spine(seed, {});
    seen.add(result.seen);
    ASSERT_EQ(result.failure, "") << fmt::format("seed {}; to replay it: deploy/test --seed {}", seed, seed);
  }
  fmt::print("{} seeds: {}\n", runs, to_string(seen));
  if (runs >= 2'000)
    for (auto* what :
      {"lost connections", "partitions", "slow peers", "frozen processes", "clock jumps", "receiver crashes",
        "actors killed", "files renamed", "files truncated", "pipes torn", "shipper kills", "shippers fenced",
        "full disks", "failing disks", "torn tails", "full disks of shippers", "failing disks of shippers",
        "records dropped", "shippers with several receivers", "records doubly sent", "records made again"})
      EXPECT_GT(seen[what], 0) << what;
}

TEST_F(spine, runs_the_same_way_for_the_same_seed) {
  for (auto seed : {1, 7, 42}) {
    auto once = run_spine(seed, {});
    auto twice = run_spine(seed, {});
    EXPECT_EQ(once.trace, twice.trace) << "seed " << seed;
    EXPECT_NE(once.trace, run_spine(seed + 1, {}).trace);
  }
}

// A compressor is killed near the end, and its link closed with a pipe full of frames.
TEST_F(spine, waits_for_what_a_closed_link_of_a_slow_host_still_brings) {
  EXPECT_EQ(run_spine(163'333, {}).failure, "");
}

// The oracle of the first test can fail: a disk that lies about syncs loses what was acknowledged.
TEST_F(spine, finds_out_a_disk_that_does_not_sync_files) {
  EXPECT_GT(failures({.disk_ignores_syncs = true}), 10);
}

TEST_F(spine, finds_out_a_disk_that_does_not_sync_folders) {
  EXPECT_GT(failures({.disk_ignores_folder_syncs = true}), 10);
}

} // namespace sluice::test

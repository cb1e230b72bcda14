#include "tests/simulation/spine_run.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "tests/simulation/spine_cluster.hpp"
#include "tests/simulation/spine_faults.hpp"
#include "tests/simulation/spine_oracle.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 900s; ///< For everything to be acknowledged, from the start.

/// Links that broke without a word are noticed, and the pipe of a closed one empties, which holds 16 KiB and one frame
/// and moves 64 bytes a second if its host was slowed down.
constexpr auto aftermath = 400s;

bool is_drained(const std::unique_ptr<sim_shipper>& shipper) {
  return shipper->is_drained();
}

/// Whether nothing more will fail or be written, and what has an end is acknowledged to it.
bool is_calm(const spine_cluster& cluster, const spine_faults& faults) {
  return !cluster.failure.empty() || (faults.are_over() && std::ranges::all_of(cluster.applications, [](auto& x) {
    return x->is_done();
  }) && std::ranges::all_of(cluster.shippers, [](auto& x) { return x->follows() || x->is_drained(); }));
}

/// Ends the following of files once it has nothing more to ship.
bool end_following(spine_cluster& cluster) {
  if (std::ranges::none_of(cluster.shippers, [](auto& x) { return x->follows(); }))
    return true;
  std::uint64_t before = 0;
  do {
    before = cluster.world.net().delivered();
    cluster.world.run_for(60s);
  } while (before != cluster.world.net().delivered());
  for (auto& x : cluster.shippers)
    x->stop();
  return cluster.world.run_until([&] { return std::ranges::all_of(cluster.shippers, is_drained); }, patience);
}

std::string where_they_stand(spine_cluster& cluster) {
  std::string text = "not all was acknowledged";
  for (auto& x : cluster.shippers) {
    if (!x->is_up())
      continue;
    auto status = x->process().ask<ship_report>(x->pipeline(), status_atom_v);
    cluster.world.run_for(1s);
    if (!*status || !**status)
      continue;
    auto& found = (**status)->status;
    text += fmt::format("; {}: {}{}, {} streams, {} frames pending, {}", x->host(), x->is_drained() ? "drained, " : "",
      found.state, found.streams, found.pending_frames, found.last_error.message);
  }
  return text;
}

std::string run(spine_cluster& cluster) {
  spine_faults faults{cluster};
  cluster.start();
  faults.schedule();
  auto is_done = cluster.world.run_until([&] { return is_calm(cluster, faults); }, patience) && end_following(cluster);
  if (!cluster.failure.empty())
    return cluster.failure;
  if (!is_done)
    return where_they_stand(cluster);
  cluster.world.run_for(aftermath);
  spine_oracle oracle{cluster};
  for (auto check : {&spine_oracle::check_outcomes, &spine_oracle::check_ledgers, &spine_oracle::check_quiet,
         &spine_oracle::check_stores})
    if (auto failure = (oracle.*check)(); !failure.empty())
      return failure;
  return {};
}

} // namespace

void spine_coverage::add(const spine_coverage& x) {
  for (auto& [what, count] : x.counts_)
    counts_[what] += count;
}

std::string to_string(const spine_coverage& x) {
  std::string text;
  for (auto& [what, count] : x.counts())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  return text;
}

spine_result run_spine(std::uint64_t seed, const spine_options& options) {
  spine_cluster cluster{seed, options};
  auto failure = run(cluster);
  return {failure, cluster.world.trace(), cluster.seen};
}

} // namespace sluice::test

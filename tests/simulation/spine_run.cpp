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

bool all_is_done(const spine_cluster& cluster, const spine_faults& faults) {
  return !cluster.failure.empty() ||
         (faults.are_over() && std::ranges::all_of(cluster.shippers, [](auto& x) { return x->is_drained(); }));
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
    text += fmt::format("; {}: {}, {} streams, {} frames pending, {}", x->host(), found.state, found.streams,
      found.pending_frames, found.last_error.message);
  }
  return text;
}

std::string run(spine_cluster& cluster) {
  spine_faults faults{cluster};
  cluster.start();
  faults.schedule();
  auto is_done = cluster.world.run_until([&] { return all_is_done(cluster, faults); }, patience);
  if (!cluster.failure.empty())
    return cluster.failure;
  if (!is_done)
    return where_they_stand(cluster);
  cluster.world.run_for(120s); // links that broke without a word are noticed
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

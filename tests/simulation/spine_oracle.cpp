#include "tests/simulation/spine_oracle.hpp"

#include <fmt/format.h>

#include "actors/storage/store_check.hpp"
#include "tests/simulation/stored_streams.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

std::uint64_t discarded(const stats_snapshot& metrics, const char* component, const char* reason) {
  return static_cast<std::uint64_t>(
    total(metrics, "component_discarded_events_total", {{"component_id", component}, {"reason", reason}}));
}

} // namespace

std::string spine_oracle::check_outcomes() {
  for (auto& x : cluster_.shippers)
    if (!x->outcome() && !x->is_fenced())
      return fmt::format("{}: {}", x->host(), x->outcome().error().message);
  return {};
}

std::string spine_oracle::check_ledgers() {
  for (auto& x : cluster_.shippers) {
    auto metrics = metrics_of(cluster_.world, x->process(), x->stats);
    for (auto* component : {"batcher", "compressor", "shipper"})
      cluster_.seen["records made again"] += discarded(metrics, component, "made_again");
    cluster_.seen["shippers fenced"] += x->is_fenced();
    auto failure = check_process(x->host(), metrics, {"source", "batcher", "compressor", "shipper"}, x->is_fenced());
    if (failure.empty() && x->config().spool)
      failure = check_process(x->host(), metrics, {"spool"}, x->is_fenced());
    if (!failure.empty())
      return failure;
    std::vector<std::pair<const char*, const char*>> steps{{"source", "batcher"}, {"batcher", "compressor"}};
    if (!x->config().spool) // which has received what an earlier process has left, too
      steps.emplace_back("compressor", "shipper");
    auto mailboxes_were_lost = total(metrics, "sluice_actor_restarts_total", {}) > 0;
    for (auto [from, to] : steps) {
      auto sent = ledger_of(metrics, from).sent, received = ledger_of(metrics, to).received;
      if (mailboxes_were_lost ? sent < received : sent != received)
        return fmt::format("{}: {} has sent {}, but {} has received {}", x->host(), from, sent, to, received);
    }
  }
  for (auto& x : cluster_.receivers) {
    auto metrics = metrics_of(cluster_.world, x->process(), x->stats);
    cluster_.seen["records doubly sent"] += discarded(metrics, "storage-writer", "duplicate");
    if (auto failure = check_process(x->where().host, metrics, {"receiver", "storage-writer"}); !failure.empty())
      return failure;
  }
  return {};
}

std::string spine_oracle::check_process(const std::string& host, const stats_snapshot& metrics,
  std::initializer_list<const char*> components, bool may_hold) {
  for (std::string component : components)
    if (auto found = ledger_of(metrics, component); !found.balances() || (found.held != 0 && !may_hold))
      return fmt::format("{}: the ledger of {} does not balance: {}", host, component, to_string(found));
  return {};
}

std::string spine_oracle::check_quiet() {
  auto before = cluster_.world.net().delivered();
  cluster_.world.run_for(60s);
  auto after = cluster_.world.net().delivered();
  return before == after ? "" : fmt::format("{} messages after the end", after - before);
}

std::string spine_oracle::check_stores() {
  stored_streams stored;
  for (auto& x : cluster_.receivers) {
    if (auto failure = check_store(*x); !failure.empty())
      return fmt::format("{}: {}", x->where().host, failure);
    if (auto added = stored.add_store(x->files(), x->folder()); !added)
      return added.error().message;
    cluster_.seen["torn tails"] += x->torn_tails();
  }
  for (auto& x : cluster_.logs)
    if (auto failure = stored.compare(x.host, x.path, {{x.text}}, true); !failure.empty())
      return failure;
  for (auto& x : cluster_.applications) {
    auto written = x->written();
    auto& from = x->shipper().config().source;
    auto failure = stored.compare(x->shipper().host(), x->source(), written, x->keeps_order(),
      {from.overload.policy, from.limits.max_record_bytes});
    if (!failure.empty())
      return failure;
    cluster_.seen[x->what()] += written.size() - 1;
  }
  cluster_.seen["records dropped"] += stored.dropped_records();
  return {};
}

std::string spine_oracle::check_store(sim_receiver& receiver) {
  receiver.crash();
  if (auto started = receiver.start(); !started)
    return started.error().message;
  std::string problem;
  auto on_problem = [&](const damage& x) { problem = to_string(x); };
  auto verified = verify_store(receiver.files(), receiver.folder(), on_problem);
  if (!verified)
    return verified.error().message;
  if (verified->problems > 0 || verified->tail)
    return "verify: " + problem;
  cluster_.seen["records"] += verified->records;
  return {};
}

} // namespace sluice::test

#include "actors/stats/stats_aggregator.hpp"

#include <algorithm>
#include <cmath>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/telemetry/label.hpp>
#include <caf/telemetry/metric.hpp>
#include <caf/telemetry/metric_family.hpp>
#include <caf/telemetry/metric_registry.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <fmt/format.h>

#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/supervision/supervisor.hpp"

namespace sluice {

namespace {

/// Visits CAF's metric registry. Names become those of the Prometheus text format: `prefix_name_unit_total`.
class sample_collector {
public:
  explicit sample_collector(std::vector<metric_sample>& out) : out_(out) {}

  /// Counters and gauges.
  template <class Metric>
  void operator()(
    const caf::telemetry::metric_family* family, const caf::telemetry::metric* instance, const Metric* x) {
    add(family, instance, "", static_cast<double>(x->value()));
  }

  template <class Value>
  void operator()(const caf::telemetry::metric_family* family, const caf::telemetry::metric* instance,
    const caf::telemetry::histogram<Value>* x) {
    std::int64_t count = 0;
    for (auto& bucket : x->buckets()) {
      count += bucket.count.value();
      add(family, instance, "_bucket", static_cast<double>(count));
      auto bound = static_cast<double>(bucket.upper_bound);
      out_.back().labels.emplace_back("le", std::isinf(bound) ? "+Inf" : fmt::format("{}", bound));
    }
    add(family, instance, "_sum", static_cast<double>(x->sum()));
    add(family, instance, "_count", static_cast<double>(count));
  }

private:
  void add(const caf::telemetry::metric_family* family, const caf::telemetry::metric* instance, std::string_view suffix,
    double value) {
    metric_sample made;
    made.name = family->prefix() + '_' + family->name();
    if (family->unit() != "1")
      made.name += '_' + family->unit();
    if (family->is_sum())
      made.name += "_total";
    made.name += suffix;
    std::replace(made.name.begin(), made.name.end(), '-', '_');
    std::replace(made.name.begin(), made.name.end(), '.', '_');
    for (auto& label : instance->labels())
      made.labels.emplace_back(
        std::string{label.name().data(), label.name().size()}, std::string{label.value().data(), label.value().size()});
    made.value = value;
    out_.push_back(std::move(made));
  }

  std::vector<metric_sample>& out_;
};

struct stats_state {
  static inline const char* name = "stats-aggregator";

  stats_state(stats_actor::pointer self, environment& env, stats_config config)
    : self_(self), env_(env), config_(std::move(config)) {}

  stats_actor::behavior_type make_behavior() {
    if (config_.interval.count() > 0)
      tasks_.spawn(report());
    return {
      [this](status_atom) { return snapshot(); },
      [this](stop_atom) { self_->quit(); },
    };
  }

  task<void> report() {
    for (;;) {
      co_await sleep_for(self_, config_.interval);
      config_.report(snapshot());
    }
  }

  stats_snapshot snapshot() { return take_snapshot(self_->system(), env_.now()); }

  stats_actor::pointer self_;
  environment& env_;
  stats_config config_;
  task_scope tasks_;
};

} // namespace

stats_actor spawn_stats_aggregator(caf::actor_system& system, environment& env, stats_config config) {
  return system.spawn<stats_actor::stateful_impl<stats_state>>(std::ref(env), std::move(config));
}

supervisor_actor spawn_supervised_stats(caf::actor_system& system, environment& env, stats_config config) {
  auto start = [&system, &env, config = std::move(config)](
                 auto&) { return spawn_stats_aggregator(system, env, config); };
  return spawn_supervisor(system, env.seed, {.name = "stats", .children = {{"stats", at_once(std::move(start))}}});
}

stats_snapshot take_snapshot(caf::actor_system& system, timestamp now) {
  stats_snapshot made{now, {}};
  sample_collector collector{made.samples};
  system.metrics().collect(collector);
  return made;
}

double total(const stats_snapshot& snapshot, std::string_view name,
  const std::vector<std::pair<std::string, std::string>>& labels) {
  double sum = 0;
  for (auto& sample : snapshot.samples) {
    auto carries = [&](auto& label) {
      return std::find(sample.labels.begin(), sample.labels.end(), label) != sample.labels.end();
    };
    if (sample.name == name && std::all_of(labels.begin(), labels.end(), carries))
      sum += sample.value;
  }
  return sum;
}

} // namespace sluice

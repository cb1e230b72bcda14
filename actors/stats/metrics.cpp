#include "actors/stats/metrics.hpp"

#include <caf/actor_system.hpp>
#include <caf/telemetry/metric_registry.hpp>

namespace sluice {

namespace {

caf::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

} // namespace

component_metrics::component_metrics(caf::actor_system& system, std::string_view component)
  : system_(system), component_(component) {
  auto& registry = system.metrics();
  auto counter = [&](caf::string_view name, caf::string_view help, caf::string_view unit) {
    return registry.counter_instance("component", name, {{"component_id", view(component_)}}, help, unit, true);
  };
  auto gauge = [&](caf::string_view name, caf::string_view help, caf::string_view unit) {
    return registry.gauge_instance("buffer", name, {{"component_id", view(component_)}}, help, unit);
  };
  received_events_ = counter("received-events", "Records that came in.", "1");
  received_bytes_ = counter("received", "Bytes that came in.", "bytes");
  sent_events_ = counter("sent-events", "Records that went on.", "1");
  sent_bytes_ = counter("sent", "Bytes that went on.", "bytes");
  buffer_events_ = gauge("events", "Records that the component holds.", "1");
  buffer_bytes_ = gauge("size", "Bytes that the component holds.", "bytes");
}

component_metrics::~component_metrics() {
  auto events = held_events_;
  hold(-held_events_, -held_bytes_);
  if (events > 0)
    discarded("actor_ended", static_cast<std::uint64_t>(events));
}

void component_metrics::discarded(std::string_view reason, std::uint64_t events) {
  system_.metrics()
    .counter_instance("component", "discarded-events", {{"component_id", view(component_)}, {"reason", view(reason)}},
      "Records that were not stored, by reason.", "1", true)
    ->inc(static_cast<std::int64_t>(events));
}

void component_metrics::failed(std::string_view reason, std::uint64_t times) {
  if (times > 0)
    system_.metrics()
      .counter_instance("component", "errors", {{"component_id", view(component_)}, {"reason", view(reason)}},
        "Failures, by reason.", "1", true)
      ->inc(static_cast<std::int64_t>(times));
}

} // namespace sluice

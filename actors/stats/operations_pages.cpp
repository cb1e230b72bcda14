#include "actors/stats/operations_pages.hpp"

#include <algorithm>

#include <caf/actor_system.hpp>
#include <caf/telemetry/collector/prometheus.hpp>

#include "actors/stats/stats_aggregator.hpp"

namespace sluice {

std::optional<http_answer> operations_pages::on_head(const http_head& head) {
  auto is_known = head.path == "/metrics" || head.path == "/health" || head.path == "/ready";
  if (!is_known)
    return http_text(404, "there is nothing at this path; there are /health, /ready and /metrics");
  if (head.method != "GET" && head.method != "HEAD") {
    auto made = http_text(405, "only GET and HEAD are answered here");
    made.fields.emplace_back("Allow", "GET, HEAD");
    return made;
  }
  if (head.path == "/metrics")
    return metrics();
  return head.path == "/ready" ? readiness() : http_text(200, "ok");
}

http_answer operations_pages::metrics() const {
  caf::telemetry::collector::prometheus collector;
  auto text = collector.collect_from(system_.metrics());
  return {200, "text/plain; version=0.0.4; charset=utf-8", std::string{text.data(), text.size()}, {}};
}

http_answer operations_pages::readiness() const {
  auto now = take_snapshot(system_, {});
  auto is_full = std::ranges::any_of(
    now.samples, [](const metric_sample& x) { return x.name == "sluice_storage_accepting" && x.value == 0; });
  return is_full ? http_text(503, "the store is full; frames are refused") : http_text(200, "ready");
}

} // namespace sluice

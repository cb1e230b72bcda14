#include "actors/shipper/shipper_metrics.hpp"

#include <array>
#include <chrono>

#include <caf/actor_system.hpp>
#include <caf/span.hpp>
#include <caf/telemetry/metric_registry.hpp>

#include "actors/shipper/shipper.hpp"

namespace sluice {

namespace {

constexpr std::array latency_bounds_seconds{
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0};

caf::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

} // namespace

shipper_metrics::shipper_metrics(caf::actor_system& system, std::shared_ptr<shipper_totals> totals)
  : system_(system), component_(system, "shipper"), totals_(std::move(totals)),
    ack_latency_(system.metrics().histogram_singleton<double>("sluice", "ack-latency",
      caf::make_span(latency_bounds_seconds), "Time from sending a frame first to its acknowledgement.", "seconds")) {}

shipper_metrics::~shipper_metrics() {
  if (state_)
    state_->dec();
}

void shipper_metrics::enter(std::string_view state) {
  if (state_)
    state_->dec();
  state_ = system_.metrics().gauge_instance(
    "sluice", "shipper-state", {{"state", view(state)}}, "Shippers that are in this state.");
  state_->inc();
}

void shipper_metrics::connected(const endpoint& to, errc result) {
  auto where = to_string(to);
  auto name = result == errc::none ? std::string_view{"ok"} : to_string(result);
  system_.metrics()
    .counter_instance("sluice", "shipper-connects", {{"to", view(where)}, {"result", view(name)}},
      "Attempts to connect, by receiver and result.", "1", true)
    ->inc();
}

void shipper_metrics::received(const frame_header& x) noexcept {
  component_.received(x.stored_records(), x.source_bytes());
}

void shipper_metrics::discarded(std::uint64_t records) {
  component_.discarded("made_again", records);
}

void shipper_metrics::sent(const frame& x) noexcept {
  totals_->sent_bytes += x.size();
}

void shipper_metrics::settled(const stream_window::change& x, time_point now) {
  if (x.discarded.records > 0)
    discarded(x.discarded.records);
  if (x.acked.frames == 0)
    return;
  for (auto sent : x.sent_first)
    ack_latency_->observe(std::chrono::duration<double>{now - sent}.count());
  totals_->acked_records += x.acked.records;
  totals_->acked_bytes += x.acked.bytes;
  component_.sent(x.acked.records, x.acked.bytes);
}

} // namespace sluice

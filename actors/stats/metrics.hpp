#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <caf/fwd.hpp>
#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/gauge.hpp>

#include "messages/errc.hpp"

namespace sluice {

/// The counters of one component (docs/specs/metrics.md), kept in the actor system's metric registry, from where the
/// stats aggregator reads them. Counting is one relaxed atomic addition; called per batch or frame, never per record.
class component_metrics {
public:
  /// `component` is the label `component_id`, for instance "receiver".
  component_metrics(caf::actor_system& system, std::string_view component);
  component_metrics(const component_metrics&) = delete;
  component_metrics& operator=(const component_metrics&) = delete;

  /// What an actor holds when it ends is lost with it; counts it as discarded. It is shipped again.
  ~component_metrics();

  void received(std::uint64_t events, std::uint64_t bytes) noexcept {
    received_events_->inc(static_cast<std::int64_t>(events));
    received_bytes_->inc(static_cast<std::int64_t>(bytes));
  }

  void sent(std::uint64_t events, std::uint64_t bytes) noexcept {
    sent_events_->inc(static_cast<std::int64_t>(events));
    sent_bytes_->inc(static_cast<std::int64_t>(bytes));
  }

  /// Records that will not go on, and why.
  void discarded(std::string_view reason, std::uint64_t events);

  /// Something went wrong with a peer, a file or a frame; no record is lost by that alone.
  void failed(errc reason) { failed(to_string(reason), 1); }
  void failed(std::string_view reason, std::uint64_t times);

  /// Changes what this part of the component holds.
  void hold(std::int64_t events, std::int64_t bytes) noexcept {
    held_events_ += events;
    held_bytes_ += bytes;
    buffer_events_->inc(events);
    buffer_bytes_->inc(bytes);
  }

  /// As `hold`, with what it holds at present.
  void in_flight(std::uint64_t events, std::uint64_t bytes) noexcept {
    hold(static_cast<std::int64_t>(events) - held_events_, static_cast<std::int64_t>(bytes) - held_bytes_);
  }

private:
  caf::actor_system& system_;
  std::string component_;
  std::int64_t held_events_ = 0;
  std::int64_t held_bytes_ = 0;
  caf::telemetry::int_counter* received_events_;
  caf::telemetry::int_counter* received_bytes_;
  caf::telemetry::int_counter* sent_events_;
  caf::telemetry::int_counter* sent_bytes_;
  caf::telemetry::int_gauge* buffer_events_;
  caf::telemetry::int_gauge* buffer_bytes_;
};

} // namespace sluice

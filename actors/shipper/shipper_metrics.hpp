#pragma once

#include <memory>
#include <string_view>

#include <caf/fwd.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>

#include "actors/shipper/stream_window.hpp"
#include "actors/stats/metrics.hpp"
#include "messages/errc.hpp"
#include "transport/endpoint.hpp"

namespace sluice {

struct shipper_totals;

/// What shippers count (docs/specs/metrics.md): what every component does, and what its successor after a restart goes
/// on with, among it.
class shipper_metrics {
public:
  using time_point = stream_window::time_point;

  shipper_metrics(caf::actor_system& system, std::shared_ptr<shipper_totals> totals);
  ~shipper_metrics();
  shipper_metrics(const shipper_metrics&) = delete;

  /// The shipper is in this state from now on.
  void enter(std::string_view state);

  /// A connection has come about (`errc::none`), or has not, and why.
  void connected(const endpoint& to, errc result);

  /// Something went wrong with a receiver.
  void failed(errc reason) { component_.failed(reason); }

  void received(const frame_header& x) noexcept;

  /// Frames with so many records were thrown away; their source makes them again.
  void discarded(std::uint64_t records);

  /// A frame goes to the receiver.
  void sent(const frame& x) noexcept;

  /// What the window of a stream has changed by.
  void settled(const stream_window::change& x, time_point now);

  /// Over all streams.
  void holds(const stream_window::content& x) noexcept { component_.in_flight(x.records, x.bytes); }

private:
  caf::actor_system& system_;
  component_metrics component_;
  std::shared_ptr<shipper_totals> totals_;
  caf::telemetry::int_gauge* state_ = nullptr;
  caf::telemetry::dbl_histogram* ack_latency_;
};

} // namespace sluice

#pragma once

#include <string_view>

#include <caf/fwd.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/histogram.hpp>
#include <caf/timespan.hpp>

#include "messages/errc.hpp"
#include "transport/endpoint.hpp"

namespace sluice {

/// What shippers count besides what every component does (docs/specs/metrics.md).
class shipper_metrics {
public:
  explicit shipper_metrics(caf::actor_system& system);
  ~shipper_metrics();
  shipper_metrics(const shipper_metrics&) = delete;

  /// The shipper is in this state from now on.
  void enter(std::string_view state);

  /// A connection has come about (`errc::none`), or has not, and why.
  void connected(const endpoint& to, errc result);

  /// A frame was acknowledged so long after it was first sent.
  void acknowledged(caf::timespan latency);

private:
  caf::actor_system& system_;
  caf::telemetry::int_gauge* state_ = nullptr;
  caf::telemetry::dbl_histogram* ack_latency_;
};

} // namespace sluice

#pragma once

#include <functional>
#include <memory>

#include "transport/datagram_channel.hpp"
#include "transport/handler_gate.hpp"

namespace sluice {

/// Passes on what there is to count of the datagrams of links. Thread-safe.
class datagram_tally {
public:
  /// Called on the network's thread.
  using handler = std::function<void(datagram_event what, std::uint64_t times)>;

  /// No call of the handler that was there before begins after this has returned.
  void report_to(handler to) { to_.open(to ? std::make_shared<handler>(std::move(to)) : nullptr); }

  void add(datagram_event what, std::uint64_t times) {
    if (times > 0)
      to_.pass([=](handler& to) { to(what, times); });
  }

private:
  handler_gate<handler> to_;
};

} // namespace sluice

#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "actors/runtime/backoff.hpp"
#include "messages/errc.hpp"
#include "transport/endpoint.hpp"

namespace sluice {

/// Which of several receivers to try next: the one that works, as long as it does; then the others in turn, at once;
/// and after a round in vain, after a pause.
class failover {
public:
  /// At least one address.
  failover(std::vector<endpoint> addresses, backoff_config retry) : addresses_(std::move(addresses)), backoff_(retry) {}

  const endpoint& current() const noexcept { return addresses_[at_]; }

  /// The longest pause after a receiver that was full or overloaded: that may pass soon, and costs little to ask.
  static constexpr std::chrono::milliseconds longest_refused_pause{5'000};

  /// After a failure, and why: goes to the next address, and says how long to wait before it is tried.
  template <class Random>
  std::chrono::milliseconds next(Random& random, errc reason) {
    at_ = (at_ + 1) % addresses_.size();
    if (++failures_ < addresses_.size())
      return std::chrono::milliseconds{0};
    failures_ = 0;
    auto may_pass_soon = reason == errc::storage_full || reason == errc::overloaded;
    return backoff_.next(random, may_pass_soon ? longest_refused_pause : std::chrono::milliseconds::max());
  }

  /// The current one works.
  void succeeded() noexcept {
    failures_ = 0;
    backoff_.reset();
  }

private:
  std::vector<endpoint> addresses_;
  backoff backoff_;
  std::size_t at_ = 0;
  std::size_t failures_ = 0; ///< In this round.
};

} // namespace sluice

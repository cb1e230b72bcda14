#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace sluice {

/// How long to wait between attempts: exponential with full jitter, so that many clients do not come back in step.
/// (M. Brooker, "Exponential Backoff And Jitter".)
struct backoff_config {
  std::chrono::milliseconds initial{1'000};
  std::chrono::milliseconds max{30'000};
};

class backoff {
public:
  explicit backoff(backoff_config config) : config_(config), ceiling_(config.initial) {}

  /// Uniform between zero and a ceiling that doubles with every call up to the maximum, and is at most `longest`.
  template <class Random>
  std::chrono::milliseconds next(Random& random, std::chrono::milliseconds longest = std::chrono::milliseconds::max()) {
    std::uniform_int_distribution<std::chrono::milliseconds::rep> pick{0, std::min(ceiling_, longest).count()};
    ceiling_ = std::min(ceiling_ * 2, config_.max);
    return std::chrono::milliseconds{pick(random)};
  }

  /// After a success.
  void reset() noexcept { ceiling_ = config_.initial; }

private:
  backoff_config config_;
  std::chrono::milliseconds ceiling_;
};

} // namespace sluice

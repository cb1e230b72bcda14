#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

namespace sluice {

/// The zone of timestamps that name none: how far local time is ahead of UTC, at a moment of local time. Asks for it
/// once while a quarter of an hour lasts, as no zone changes in between. Not thread-safe.
class local_zone {
public:
  using ask_offset = std::function<std::chrono::seconds(std::chrono::local_seconds at)>;

  explicit local_zone(ask_offset ask) : ask_(std::move(ask)) {}

  std::chrono::seconds offset(std::chrono::local_seconds at) {
    if (auto quarter = std::chrono::floor<quarter_hours>(at); quarter != quarter_) {
      offset_ = ask_(at);
      quarter_ = quarter;
    }
    return offset_;
  }

private:
  using quarter_hours = std::chrono::duration<std::int64_t, std::ratio<15 * 60>>;

  ask_offset ask_;
  std::optional<std::chrono::local_time<quarter_hours>> quarter_; ///< That `offset_` belongs to.
  std::chrono::seconds offset_{};
};

} // namespace sluice

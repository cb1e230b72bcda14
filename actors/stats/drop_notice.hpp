#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <caf/actor_clock.hpp>

namespace sluice {

/// Tells the log now and then how many records were dropped in overload. Not thread-safe.
class drop_notice {
public:
  /// `who` drops them, for the log. Logs at most once in `interval`.
  explicit drop_notice(std::string who, std::chrono::seconds interval = std::chrono::seconds{10})
    : who_(std::move(who)), interval_(interval) {}

  /// `reason` must outlive this.
  void add(std::string_view reason, std::uint64_t records, caf::actor_clock::time_point now);

  /// Logs what is not told yet, once the interval is over.
  void remind(caf::actor_clock::time_point now) {
    if (now >= next_)
      say(now);
  }

  /// Logs what was dropped since the last time, if anything.
  void say(caf::actor_clock::time_point now);

private:
  std::string who_;
  std::chrono::seconds interval_;
  std::string_view reason_;
  std::uint64_t records_ = 0;
  caf::actor_clock::time_point next_ = caf::actor_clock::time_point::min();
};

} // namespace sluice

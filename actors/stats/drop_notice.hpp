#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <caf/actor_clock.hpp>
#include <caf/disposable.hpp>
#include <caf/fwd.hpp>

namespace sluice {

/// Tells the log now and then how many records were dropped in overload. For the actor that it belongs to.
class drop_notice {
public:
  /// `who` drops them, for the log. Logs at most once in `interval`, and no later than that.
  drop_notice(caf::scheduled_actor* self, std::string who, std::chrono::seconds interval = std::chrono::seconds{10})
    : self_(self), who_(std::move(who)), interval_(interval) {}
  drop_notice(const drop_notice&) = delete;
  drop_notice& operator=(const drop_notice&) = delete;
  ~drop_notice() { timer_.dispose(); }

  /// `reason` must outlive this.
  void add(std::string_view reason, std::uint64_t records);

  /// Logs what was dropped since the last time, if anything.
  void say();

private:
  caf::scheduled_actor* self_;
  std::string who_;
  std::chrono::seconds interval_;
  std::string_view reason_;
  std::uint64_t records_ = 0; ///< Not told yet.
  caf::actor_clock::time_point next_ = caf::actor_clock::time_point::min();
  caf::disposable timer_; ///< Pending while there is something to tell.
};

} // namespace sluice

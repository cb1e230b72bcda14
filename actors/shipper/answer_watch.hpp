#pragma once

#include <chrono>
#include <cstddef>

namespace sluice {

/// Whether the peer of a connection still answers: how many answers it owes, and since when nothing has moved.
class answer_watch {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// It has answered, or its transport has taken something.
  void moved(time_point now) noexcept { last_ = now; }

  /// Of what it owed, `before` has become `after`.
  void change(std::size_t before, std::size_t after, time_point now) noexcept {
    if (owed_ == 0)
      last_ = now;
    owed_ += after - before;
  }

  void reset() noexcept { owed_ = 0; }

  bool is_owed() const noexcept { return owed_ > 0; }
  time_point last_move() const noexcept { return last_; }

private:
  std::size_t owed_ = 0;
  time_point last_{};
};

} // namespace sluice

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include <sluice/record.hpp>

#include "messages/record_codec.hpp"

namespace sluice {

/// Records on their way from one thread of a program to the intake, in a ring of bytes. One thread pushes, one takes;
/// neither waits for the other, and neither allocates. A record lies in one piece, so that it can be viewed where it
/// is.
///
/// Invariants: tail <= head <= tail + capacity. Bytes from tail to head belong to who takes, the others to who pushes.
class submission_ring {
public:
  static constexpr std::size_t least_bytes = 4 * 1024;
  static constexpr std::size_t most_bytes = 32 * 1024 * 1024;

  /// `bytes` is rounded up to a power of two.
  explicit submission_ring(std::size_t bytes);

  /// What a record takes of the ring.
  static std::size_t bytes_of(const record& x) noexcept;

  /// Half of the ring: what lies in one piece finds room in an empty ring wherever that begins.
  std::size_t max_record_bytes() const noexcept { return capacity_ / 2; }

  /// Whether there was room. Needs `bytes == bytes_of(x)`, `x.time` and at most `max_record_bytes()`. For one thread.
  bool push(const record& x, std::size_t bytes) noexcept;

  std::size_t used_bytes() const noexcept { return static_cast<std::size_t>(head_.load() - tail_.load()); }
  bool empty() const noexcept { return used_bytes() == 0; }
  std::size_t capacity() const noexcept { return capacity_; }

  /// Behind what has been pushed so far.
  std::uint64_t end() const noexcept { return head_.load(); }

  /// Calls `take` with one record after the other, until it returns false or there are no more before `end`. The view
  /// holds until `take` returns. Returns whether all were taken. For one thread.
  template <class Take>
  bool take(std::uint64_t end, record_view& view, Take take) {
    auto tail = tail_.load(std::memory_order_relaxed);
    while (tail != end) {
      auto bytes = read(tail, view);
      auto goes_on = bytes == 0 || take(view);
      tail += bytes == 0 ? capacity_ - tail % capacity_ : bytes;
      tail_.store(tail);
      if (!goes_on)
        return tail == end;
    }
    return true;
  }

  /// Its thread has ended: nothing is pushed any more.
  void abandon() noexcept { is_abandoned_ = true; }
  bool is_abandoned() const noexcept { return is_abandoned_; }

private:
  std::size_t read(std::uint64_t at, record_view& view) const;

  const std::size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  alignas(64) std::atomic<std::uint64_t> head_ = 0; ///< Of all bytes ever pushed. Who sees it sees them.
  std::uint64_t known_tail_ = 0;                    ///< By who pushes; a lower bound.
  alignas(64) std::atomic<std::uint64_t> tail_ = 0; ///< Of all bytes ever taken.
  std::atomic<bool> is_abandoned_ = false;
};

} // namespace sluice

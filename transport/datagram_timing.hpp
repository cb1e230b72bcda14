#pragma once

#include <algorithm>
#include <chrono>

namespace sluice {

using datagram_clock = std::chrono::steady_clock;

/// How long an acknowledgement takes, and how long to wait for one (RFC 6298).
class round_trip {
public:
  static constexpr datagram_clock::duration min_timeout = std::chrono::milliseconds{100};
  static constexpr datagram_clock::duration max_timeout = std::chrono::seconds{3}; ///< As slow as RFC 8085 ever asks.

  void sample(datagram_clock::duration took) noexcept {
    if (smoothed_ == smoothed_.zero()) {
      variation_ = took / 2;
      smoothed_ = took;
    } else {
      variation_ = (3 * variation_ + std::max(smoothed_ - took, took - smoothed_)) / 4;
      smoothed_ = (7 * smoothed_ + took) / 8;
    }
    latest_ = took;
    timeout_ = std::clamp(smoothed_ + 4 * variation_, min_timeout, max_timeout);
  }

  /// Before all that is on its way counts as lost, once that has happened `times` in a row.
  datagram_clock::duration timeout(unsigned times) const noexcept {
    constexpr unsigned most = 7; // reaches the longest from the shortest
    return std::min(timeout_ * (1 << std::min(times, most)), max_timeout);
  }

  /// How much later than others, sent after it, an acknowledgement may come.
  datagram_clock::duration patience() const noexcept {
    constexpr datagram_clock::duration least = std::chrono::milliseconds{1};
    return std::max(std::max(smoothed_, latest_) * 9 / 8, least);
  }

private:
  datagram_clock::duration smoothed_{}, variation_{}, latest_{};
  datagram_clock::duration timeout_ = std::chrono::seconds{1};
};

/// How much may be on its way, in bytes (RFC 8085 section 3.1, RFC 5681).
class congestion_window {
public:
  explicit congestion_window(std::size_t datagram_bytes) : datagram_bytes_{datagram_bytes} {}

  std::size_t bytes() const noexcept { return bytes_; }

  void grow(std::size_t acked_bytes) noexcept {
    auto by = bytes_ < threshold_ ? acked_bytes : datagram_bytes_ * acked_bytes / bytes_;
    bytes_ = std::min(bytes_ + by, most);
  }

  /// After a time without use nobody knows what the path takes.
  void rest() noexcept { bytes_ = std::min(bytes_, first_bytes_); }

  void halve(std::size_t on_their_way) noexcept { bytes_ = threshold_ = half_of(on_their_way); }

  /// After a timeout; the first of several in a row lowers the threshold.
  void collapse(std::size_t on_their_way, bool is_first) noexcept {
    if (is_first)
      threshold_ = half_of(on_their_way);
    bytes_ = datagram_bytes_;
  }

private:
  static constexpr std::size_t most = 64 * 1024 * 1024;

  std::size_t half_of(std::size_t on_their_way) const noexcept {
    return std::max(on_their_way / 2, 2 * datagram_bytes_);
  }

  std::size_t datagram_bytes_;
  std::size_t first_bytes_ = std::min(10 * datagram_bytes_, std::max(2 * datagram_bytes_, std::size_t{14'600}));
  std::size_t bytes_ = first_bytes_;
  std::size_t threshold_ = most;
};

} // namespace sluice

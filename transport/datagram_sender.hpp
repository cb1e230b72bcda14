#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "messages/buffer.hpp"
#include "transport/datagram_timing.hpp"

namespace sluice {

/// Cuts the bytes of one direction into datagrams and sends them again until they are acknowledged
/// (docs/specs/datagram.md). No I/O and no clock: the caller sends what `next` gives, and calls `expire` when the time
/// has come. It holds at most `max_held_bytes` that are not acknowledged, headers included, and one datagram more. Not
/// thread-safe.
class datagram_sender {
public:
  using time_point = datagram_clock::time_point;

  static constexpr std::size_t max_held_bytes = 1024 * 1024;
  static constexpr auto question_interval = std::chrono::milliseconds{500};

  /// Makes datagrams of at most `datagram_bytes`, with their headers.
  explicit datagram_sender(std::size_t datagram_bytes);

  /// Takes as much of `part` as there is room for; returns how much. A part that fits a datagram is not cut.
  std::size_t push(byte_view part);

  /// Nothing more will be pushed.
  void end();

  /// What is sent next.
  struct transmission {
    std::uint64_t number;
    bool is_last;
    bool is_repeated;
    shared_buffer payload;
  };

  /// As long as something may be sent now.
  std::optional<transmission> next(time_point now);

  /// What the peer says to have. Returns whether that can be.
  bool acknowledge(std::uint64_t acked, std::uint64_t selective, std::uint64_t limit_bytes, time_point now);

  /// Looks whether something has to be sent again, or asked.
  void expire(time_point now);

  /// When to call `expire`.
  time_point next_timeout() const noexcept;

  /// Whether the peer should be asked for an acknowledgement; says so once.
  bool take_question() noexcept { return std::exchange(asks_, false); }

  bool has_room() const noexcept { return held_bytes_ < max_held_bytes; }
  bool has_ended() const noexcept { return has_ended_; }
  bool is_all_acked() const noexcept { return queue_.empty(); }
  std::size_t window_bytes() const noexcept { return window_.bytes(); }

private:
  enum class state : std::uint8_t { unsent, on_its_way, lost, acked };

  struct outgoing {
    std::uint64_t number;
    std::shared_ptr<buffer> payload = std::make_shared<buffer>();
    std::size_t bytes = 0; ///< With the header.
    state at = state::unsent;
    bool is_last = false;
    std::uint32_t times = 0;
    std::uint64_t order = 0; ///< Of its latest transmission among all.
    time_point sent_at;
  };

  outgoing& open_datagram(std::size_t part_bytes);
  outgoing& add();
  bool has_unsent() const noexcept { return unsent_ < queue_.size(); }
  bool may_send_new() const noexcept;
  bool fits_window(const outgoing& x) const noexcept;
  outgoing* find_lost() noexcept;
  transmission send(outgoing& x, time_point now);
  std::size_t settle(outgoing& x, time_point now);
  void drop_acked();
  void give_up(outgoing& x) noexcept;
  void find_losses(time_point now);
  void wait_for_limit(time_point now) noexcept;

  std::size_t datagram_bytes_;
  round_trip times_;
  congestion_window window_;
  std::deque<outgoing> queue_; ///< The first has number `first_`.
  std::uint64_t first_ = 1;    ///< With the queue empty, the next to be made.
  std::size_t unsent_ = 0;     ///< The first in the queue that was never sent.
  std::size_t lost_ = 0;       ///< How many are.
  std::size_t held_bytes_ = 0;
  std::size_t on_their_way_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0; ///< Of different ones.
  std::uint64_t limit_bytes_;
  bool has_ended_ = false;
  bool asks_ = false;
  bool repeats_at_once_ = false; ///< One lost datagram, whatever the window.

  std::uint64_t next_order_ = 1;
  std::uint64_t acked_order_ = 0;    ///< The latest transmission that has come.
  std::uint64_t recovery_order_ = 0; ///< Losses among earlier ones are of a round trip that was answered already.
  unsigned timeouts_ = 0;            ///< In a row.
  time_point timer_from_;
  time_point latest_sent_at_ = time_point::max();
  time_point loss_at_ = time_point::max();     ///< When the next one counts as lost.
  time_point question_at_ = time_point::max(); ///< While the limit keeps us from sending.
};

} // namespace sluice

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "messages/frame.hpp"
#include "messages/stream.hpp"

namespace sluice {

/// The frames of one stream that are made and not acknowledged, in order, and which of them the present connection has
/// carried. Plain bookkeeping; not thread-safe.
class stream_window {
public:
  struct content {
    std::uint64_t frames = 0;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0; ///< Of the source.

    void add(const frame_header& x) noexcept;
    void remove(const frame_header& x) noexcept;
    friend bool operator==(const content&, const content&) = default;
  };

  /// `epoch` is the agent's own: a stream that is stored in a greater one belongs to a newer incarnation.
  /// `known` was acknowledged before.
  explicit stream_window(std::uint64_t epoch, const stream_point& known = {}) : epoch_(epoch), acked_(known) {}

  using time_point = std::chrono::steady_clock::time_point;

  /// Takes the next frame. Returns false, and does not take it, if it was made before the source was told to start
  /// over, or does not follow the one before.
  bool push(frame next);

  /// The first frame that the connection has not carried; nullptr if there is none.
  const frame* unsent() const noexcept;
  void mark_sent(time_point now) noexcept;

  /// How many frames the connection has carried, of those that are not acknowledged.
  std::size_t carried() const noexcept { return sent_; }

  /// What an ack or a welcome changes.
  struct change {
    content acked;                      ///< Has become durable.
    content discarded;                  ///< Was thrown away; its source makes it again.
    std::vector<time_point> sent_first; ///< Of each frame in `acked` that was sent, the first time.
    friend bool operator==(const change&, const change&) = default;
  };

  /// Everything up to `last` is durable. If the receiver has other bytes under these numbers, because somebody else has
  /// fed it, the window is emptied and not `in_step` until `resume`.
  change acknowledge(const stream_point& last);

  /// Whether frames can follow: the receiver has said where to go on, and nothing has contradicted it since.
  bool in_step() const noexcept { return in_step_; }

  /// What a welcome means for the stream.
  enum class resumption {
    resend,     ///< The window holds what follows; all of it counts as unsent now.
    start_over, ///< The source must read again from there; the window is empty now.
    fenced,     ///< A newer incarnation of the stream has taken over; nothing has changed.
  };

  /// The receiver goes on after `durable`, all zero for nothing.
  resumption resume(const stream_point& durable, change& changed);

  /// What a restart by the source means for the stream.
  enum class restart_result {
    follows,   ///< What the source makes from now on follows; the window is empty now.
    outdated,  ///< It answers an earlier welcome; the answer to the last one is still to come.
    elsewhere, ///< It does not join, and must start over after `acked`; the window is empty now.
  };

  /// The source has started over: what it makes from now on follows `from`, which joins `acked` if it is the same
  /// point, or the beginning of a greater epoch at the same position.
  restart_result restart(const stream_point& from, change& changed);

  /// What a receiver has said last to be durable.
  const stream_point& acked() const noexcept { return acked_; }
  const content& held() const noexcept { return held_; }

private:
  bool follows(const frame_header& next) const noexcept;
  content clear() noexcept;

  struct entry {
    frame data;
    std::optional<time_point> sent_first{};
  };

  std::uint64_t epoch_;
  std::deque<entry> frames_;
  content held_;
  std::size_t sent_ = 0; ///< How many of them, from the front.
  stream_point acked_;
  stream_point newest_; ///< End of the last frame, or `acked_`.
  bool in_step_ = false;
  bool restarting_ = true; ///< What comes was made before the source heard of `acked_`.
};

} // namespace sluice

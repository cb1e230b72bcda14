#pragma once

#include <optional>

#include "messages/datagram.hpp"
#include "transport/datagram_receiver.hpp"
#include "transport/datagram_sender.hpp"

namespace sluice {

/// What there is to count of datagrams, for the whole process.
enum class datagram_event : std::uint8_t { sent, received, repeated, gap, duplicate, invalid, kernel_dropped };

/// One end of a connection over datagrams: bytes in order both ways (docs/specs/datagram.md). No I/O and no clock. Not
/// thread-safe.
class datagram_channel {
public:
  using time_point = datagram_clock::time_point;

  static constexpr auto silence_timeout = std::chrono::seconds{30};

  /// `datagram_bytes` is what one may have, with its header.
  datagram_channel(std::uint64_t connection, std::uint64_t token, std::size_t datagram_bytes, time_point now)
    : connection_{connection}, token_{token}, out_{datagram_bytes}, last_heard_{now} {}

  /// Takes a datagram of this connection. `count(event, times)` hears what there is to count.
  template <class Count>
  void receive(const datagram& came, time_point now, Count&& count) {
    auto gaps = in_.gaps();
    auto verdict = take(came, now);
    if (verdict == datagram_receiver::verdict::duplicate)
      count(datagram_event::duplicate, std::uint64_t{1});
    if (in_.gaps() > gaps)
      count(datagram_event::gap, in_.gaps() - gaps);
  }

  std::size_t read(std::span<std::byte> into);
  std::size_t available() const noexcept { return in_.available(); }
  bool has_input() const noexcept { return in_.has_input(); }
  bool at_end() const noexcept { return in_.at_end(); }

  std::size_t write(byte_view part) { return out_.push(part); }
  bool has_room() const noexcept { return out_.has_room(); }
  bool is_flushed() const noexcept { return out_.is_all_acked(); }

  /// Nothing more will be written.
  void end() { out_.end(); }

  /// A datagram to send.
  struct outgoing {
    datagram_head head;
    shared_buffer payload; ///< May be none.
    bool is_repeated = false;
  };

  /// As long as there is something to send now.
  std::optional<outgoing> next(time_point now);

  /// The goodbye.
  datagram_head close_head() const noexcept { return head_of(datagram_kind::close); }

  /// To be called at `next_timeout`.
  void expire(time_point now) { out_.expire(now); }
  time_point next_timeout() const noexcept { return std::min(out_.next_timeout(), last_heard_ + silence_timeout); }

  /// Whether nothing has come for too long.
  bool is_silent(time_point now) const noexcept { return now >= last_heard_ + silence_timeout; }

  /// Whether the peer has let go of the connection.
  bool is_closed() const noexcept { return is_closed_; }

private:
  std::optional<datagram_receiver::verdict> take(const datagram& came, time_point now);
  datagram_head head_of(datagram_kind kind) const noexcept;

  std::uint64_t connection_;
  std::uint64_t token_;
  datagram_receiver in_;
  datagram_sender out_;
  time_point last_heard_;
  std::uint64_t told_limit_bytes_ = datagram_receiver::default_room_bytes;
  bool owes_ack_ = false;
  bool is_closed_ = false;
};

} // namespace sluice

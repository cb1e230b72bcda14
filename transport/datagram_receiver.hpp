#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "messages/buffer.hpp"

namespace sluice {

/// Puts the data datagrams of one direction in order (docs/specs/datagram.md). No I/O. It holds at most `room_bytes` of
/// them, headers included, and none twice. Not thread-safe.
class datagram_receiver {
public:
  static constexpr std::size_t default_room_bytes = 1024 * 1024;
  static constexpr std::uint64_t max_ahead = 1024; ///< Numbers behind the first that is missing.

  explicit datagram_receiver(std::size_t room_bytes = default_room_bytes) : room_bytes_{room_bytes} {}

  enum class verdict : std::uint8_t {
    taken,
    duplicate,
    refused, ///< Beyond what the peer may send.
  };

  /// Copies the payload if it is new.
  verdict receive(std::uint64_t number, byte_view payload, bool is_last);

  /// Fills as much of `into` as there is in order; returns how much.
  std::size_t read(std::span<std::byte> into);

  /// What `read` could give.
  std::size_t available() const noexcept { return available_; }

  /// Whether `read` would do anything: give bytes, or come to the end.
  bool has_input() const noexcept { return first_ <= acked_; }

  /// Whether all was read up to the last.
  bool at_end() const noexcept { return last_ != 0 && first_ > last_; }

  /// Numbers that were missing when a later one came.
  std::uint64_t gaps() const noexcept { return gaps_; }

  // What is told to the peer.
  std::uint64_t acked() const noexcept { return acked_; }
  std::uint64_t selective() const noexcept;
  std::uint64_t limit_bytes() const noexcept { return read_bytes_ + room_bytes_; }

private:
  std::optional<buffer>& slot_of(std::uint64_t number) { return slots_[number - first_]; }
  bool has(std::uint64_t number) const noexcept;
  void advance();

  std::size_t room_bytes_;
  std::deque<std::optional<buffer>> slots_; ///< From `first_` on.
  std::uint64_t first_ = 1;                 ///< Not read to its end.
  std::uint64_t acked_ = 0;
  std::uint64_t highest_ = 0;
  std::uint64_t last_ = 0;       ///< 0 while not known.
  std::size_t offset_ = 0;       ///< Of what was read, in the first.
  std::size_t held_bytes_ = 0;   ///< With headers.
  std::size_t available_ = 0;    ///< Without.
  std::uint64_t read_bytes_ = 0; ///< With headers, of whole datagrams.
  std::uint64_t gaps_ = 0;
};

} // namespace sluice

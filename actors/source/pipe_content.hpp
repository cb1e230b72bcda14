#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "messages/stream.hpp"

namespace sluice {

/// Records that came from a pipe and were dropped.
struct dropped_records {
  std::string_view reason; ///< One of `gap_reason`.
  std::uint32_t records = 0;
  std::uint64_t begin = 0; ///< Positions that their text has, though it is not there any more.
  std::uint64_t end = 0;
  timestamp first_time;
  timestamp last_time;
};

/// What has come from a pipe and may be read again: text, and what was dropped of it, in the order of their positions.
/// What has once been given out keeps its position. Not thread-safe.
class pipe_content {
public:
  std::uint64_t begin() const noexcept { return begin_; }
  std::uint64_t end() const noexcept;

  /// Bytes of text that it holds.
  std::size_t text_bytes() const noexcept { return text_.size() - forgotten_; }

  /// Bytes of text that were not given out.
  std::size_t unread_bytes() const noexcept;

  void append(std::string_view text) { text_ += text; }

  /// Takes back what follows the last line end, unless it was given out.
  std::string take_open_line();

  /// Of the lines that follow, `kept` stay, and `records` of them, `bytes` long, were dropped. If what was dropped last
  /// was not given out yet, it grows and moves behind `kept`, so that a long overload leaves one gap.
  void drop(std::string_view kept, std::string_view reason, std::uint32_t records, std::uint64_t bytes, timestamp now);

  /// The text from `position` to what was dropped next, or to the end.
  std::string_view text_at(std::uint64_t position) const noexcept;

  /// What was dropped at `position`; nullptr if there is text, or nothing.
  const dropped_records* dropped_at(std::uint64_t position) const noexcept;

  /// Everything before `position` has been given out.
  void give(std::uint64_t position) noexcept;

  /// Keeps nothing that lies before `position`.
  void forget(std::uint64_t position);

private:
  /// Where in `text_` the text of `position` is, or begins behind it.
  std::size_t offset_of(std::uint64_t position) const noexcept;
  bool joins_last(std::string_view reason, std::uint32_t records) const noexcept;

  std::string text_;
  std::size_t forgotten_ = 0; ///< Bytes at the front of `text_` that count no more.
  std::deque<dropped_records> dropped_;
  std::uint64_t begin_ = 0;
  std::uint64_t given_ = 0;
};

} // namespace sluice

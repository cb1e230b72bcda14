#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

/// A line or message, or a piece of one that was cut.
struct framed_piece {
  std::string_view text;
  bool is_first = true, is_last = true;
};

/// Finds lines in bytes that come in pieces. A line that is longer than the bound is given out in pieces of that size.
/// Between calls it holds only the beginning of a line. Not thread-safe.
class line_framer {
public:
  explicit line_framer(std::size_t max_line_bytes) : max_bytes_(max_line_bytes) {}

  /// Calls `take(const framed_piece&)` for every line that `bytes` end, without its LF. The view holds until `take`
  /// returns.
  template <class Take>
  void feed(std::string_view bytes, Take&& take) {
    for (;;) {
      auto end = bytes.find('\n');
      auto line = bytes.substr(0, end);
      while (partial_.size() + line.size() > max_bytes_) {
        auto fits = max_bytes_ - partial_.size();
        give(line.substr(0, fits), false, take);
        line.remove_prefix(fits);
      }
      if (end == bytes.npos) {
        partial_.append(line);
        return;
      }
      if (!continues_ || !line.empty() || !partial_.empty())
        give(line, true, take);
      continues_ = false;
      bytes.remove_prefix(end + 1);
    }
  }

  /// Nothing more comes: what there is of a line is one.
  template <class Take>
  void finish(Take&& take) {
    if (!partial_.empty())
      give({}, true, take);
    continues_ = false;
  }

  /// Gives out what there is of a line; the rest of it is a further piece.
  template <class Take>
  void cut(Take&& take) {
    if (!partial_.empty())
      give({}, false, take);
  }

  /// Memory for the beginning of a line.
  std::size_t held_bytes() const noexcept { return partial_.empty() ? 0 : partial_.capacity(); }

  /// Any bytes are lines.
  static constexpr bool is_broken() noexcept { return false; }

private:
  template <class Take>
  void give(std::string_view end, bool is_last, Take& take) {
    auto is_first = !std::exchange(continues_, !is_last);
    if (partial_.empty())
      return take(framed_piece{end, is_first, is_last});
    take(framed_piece{partial_.append(end), is_first, is_last});
    std::string{}.swap(partial_); // thousands of idle peers must not keep their longest lines
  }

  std::size_t max_bytes_;
  std::string partial_;
  bool continues_ = false;
};

} // namespace sluice

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

/// Finds lines in bytes that come in pieces. A line that is longer than the bound is given out in pieces of that size.
/// Between calls it holds only the beginning of a line. Not thread-safe.
class line_framer {
public:
  explicit line_framer(std::size_t max_line_bytes) : max_bytes_(max_line_bytes) {}

  /// Calls `take(std::string_view line, bool continues)` for every line that `bytes` end, without its LF; `continues`
  /// for all but the first piece of one that was too long. The view holds until `take` returns.
  template <class Take>
  void feed(std::string_view bytes, Take&& take) {
    for (;;) {
      auto end = bytes.find('\n');
      auto line = bytes.substr(0, end);
      while (partial_.size() + line.size() > max_bytes_) {
        auto fits = max_bytes_ - partial_.size();
        cut_ += !continues_;
        give(line.substr(0, fits), take);
        continues_ = true;
        line.remove_prefix(fits);
      }
      if (end == bytes.npos) {
        partial_.append(line);
        return;
      }
      if (!continues_ || !line.empty() || !partial_.empty())
        give(line, take);
      continues_ = false;
      bytes.remove_prefix(end + 1);
    }
  }

  /// Nothing more comes: what there is of a line is one.
  template <class Take>
  void finish(Take&& take) {
    if (!partial_.empty())
      give({}, take);
    continues_ = false;
  }

  /// Lines that were too long so far.
  std::uint64_t cut_lines() const noexcept { return cut_; }

private:
  template <class Take>
  void give(std::string_view end, Take& take) {
    if (partial_.empty())
      return take(end, continues_);
    take(std::string_view{partial_.append(end)}, continues_);
    std::string{}.swap(partial_); // thousands of idle peers must not keep their longest lines
  }

  std::size_t max_bytes_;
  std::string partial_;
  bool continues_ = false;
  std::uint64_t cut_ = 0;
};

} // namespace sluice

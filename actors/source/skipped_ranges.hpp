#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

/// Which positions of a stream were handed on as gaps and are not acknowledged: they hold no text. Not thread-safe.
class skipped_ranges {
public:
  /// `end` is the stream's position now, and `begin` that before.
  void add(std::uint64_t begin, std::uint64_t end);

  /// What lies before `acked` counts no more, and what lies from `position` on comes again.
  void limit(std::uint64_t acked, std::uint64_t position);

  std::uint64_t bytes() const noexcept { return bytes_; }
  std::size_t count() const noexcept { return ranges_.size() - first_; }

private:
  struct range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  std::vector<range> ranges_; ///< In order; those before `first_` count no more.
  std::size_t first_ = 0;
  std::uint64_t bytes_ = 0;
};

} // namespace sluice

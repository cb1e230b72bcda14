#pragma once

#include <cstdint>
#include <vector>

#include "actors/source/source_input.hpp"

namespace sluice {

/// Bounds how many files are open at a time. When there are too many, the one is closed that was used longest ago, of
/// those that are still at their path if there are any. Not thread-safe.
class open_files {
public:
  explicit open_files(std::size_t most) : most_(most) {}

  /// `x` is open and is used now.
  void use(source_input& x);

  /// Closes `x` if it is open.
  void close(source_input& x);

  /// How many more may be opened without one being closed.
  std::size_t room() const noexcept { return opened_.size() < most_ ? most_ - opened_.size() : 0; }

private:
  std::size_t most_;
  std::uint64_t uses_ = 0;
  std::vector<source_input*> opened_;
};

} // namespace sluice

#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "messages/buffer.hpp"

namespace sluice {

/// Keeps texts that are made while a record is taken apart. What is kept holds until the next `clear`; memory is used
/// again. Not thread-safe.
class text_arena {
public:
  /// Keeps the concatenation of `parts`.
  std::string_view keep(std::initializer_list<std::string_view> parts) {
    std::size_t bytes = 0;
    for (auto part : parts)
      bytes += part.size();
    auto& block = block_for(bytes);
    auto begin = block.size();
    for (auto part : parts)
      block.append(as_bytes(part));
    return block.text().substr(begin);
  }

  /// Forgets everything.
  void clear() noexcept {
    if (blocks_.size() > 1)
      blocks_.erase(blocks_.begin(), blocks_.end() - 1);
    if (!blocks_.empty() && blocks_.back().capacity() > max_kept_bytes)
      blocks_.clear();
    if (!blocks_.empty())
      blocks_.back().clear();
  }

private:
  static constexpr std::size_t first_bytes = 4 * 1024;
  static constexpr std::size_t max_kept_bytes = 1024 * 1024;

  buffer& block_for(std::size_t bytes) {
    if (!blocks_.empty() && blocks_.back().capacity() - blocks_.back().size() >= bytes)
      return blocks_.back();
    auto twice = blocks_.empty() ? first_bytes : 2 * blocks_.back().capacity();
    return blocks_.emplace_back(std::max(bytes, twice));
  }

  std::vector<buffer> blocks_; ///< The last one is filled.
};

} // namespace sluice

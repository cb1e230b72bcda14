#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "messages/buffer.hpp"

namespace sluice {

/// Keeps the memory of large buffers for the next ones, so that a busy pipeline does not fault in fresh pages for every
/// batch. Thread-safe. Buffers that are still shared keep the pool alive.
class buffer_pool : public std::enable_shared_from_this<buffer_pool> {
public:
  static constexpr std::size_t max_kept_bytes = 16 * 1024 * 1024;

  /// An empty buffer, perhaps with capacity.
  buffer take() {
    std::lock_guard guard{mutex_};
    if (kept_.empty())
      return {};
    auto memory = std::move(kept_.back());
    kept_.pop_back();
    kept_bytes_ -= memory.capacity();
    return memory;
  }

  /// Shares `bytes`; their memory comes back when nobody uses them any more.
  shared_buffer share(buffer bytes) {
    auto owned = std::make_unique<buffer>(std::move(bytes));
    return {owned.release(), [pool = shared_from_this()](const buffer* used) {
              std::unique_ptr<buffer> memory{const_cast<buffer*>(used)};
              pool->put(std::move(*memory));
            }};
  }

private:
  void put(buffer memory) {
    memory.clear();
    std::lock_guard guard{mutex_};
    if (kept_bytes_ + memory.capacity() > max_kept_bytes)
      return;
    kept_bytes_ += memory.capacity();
    kept_.push_back(std::move(memory));
  }

  std::mutex mutex_;
  std::vector<buffer> kept_;
  std::size_t kept_bytes_ = 0;
};

} // namespace sluice

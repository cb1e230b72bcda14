#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "messages/stream.hpp"

namespace sluice {

/// What sources have read of files and left behind when they failed, not knowing it to be acknowledged. Outlives them:
/// the next one reads it again, unless it was told to read no more. Thread-safe.
class abandoned_input {
public:
  /// A source has read the bytes from `begin` to `end`, and ends.
  void add(const stream_id& stream, std::uint64_t begin, std::uint64_t end);

  /// What lies before `position` is durable after all.
  void acknowledge(const stream_id& stream, std::uint64_t position);

  struct content {
    std::size_t streams = 0;
    std::uint64_t bytes = 0;
  };
  content left() const;

private:
  struct range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  mutable std::mutex mutex_;
  std::unordered_map<stream_id, range> ranges_;
};

} // namespace sluice

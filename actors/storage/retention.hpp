#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <unordered_map>

#include "actors/storage/segment_format.hpp"
#include "transport/file_system.hpp"

namespace sluice {

/// How much of a store is kept.
struct retention_limits {
  std::chrono::nanoseconds age{0}; ///< Since it was stored; 0 for ever.
  std::uint64_t bytes = 0;         ///< Of all segments; 0 for any number.
};

/// What retention has removed.
struct expired_segments {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
};

/// Removes the oldest sealed segments of a store, one durably after the other. What a reader has open it can read on.
/// Not thread-safe.
class retention {
public:
  retention(file_system& files, std::filesystem::path folder, const retention_limits& limits)
    : files_(files), folder_(std::move(folder)), limits_(limits) {}

  /// The segment that is not sealed.
  struct active_segment {
    std::uint64_t number = 0;
    timestamp created;
    std::uint64_t bytes = 0; ///< Of the file.
  };

  /// Removes what has expired of the segments before `active`. Errors: those of the file system; what could not be
  /// removed is tried again by the next call.
  expected<void> apply(const active_segment& active, timestamp now);

  /// What all calls together have removed.
  const expired_segments& expired() const noexcept { return expired_; }

private:
  struct known_segment {
    std::optional<std::uint64_t> bytes;
    std::optional<timestamp> sealed_at;
  };

  expected<std::uint64_t> bytes_of(const segment_file& segment);
  expected<std::uint64_t> total_bytes(std::span<const segment_file> sealed);
  bool is_old(std::span<const segment_file> sealed, const active_segment& active, timestamp now);
  expected<void> remove(const segment_file& segment);

  file_system& files_;
  std::filesystem::path folder_;
  retention_limits limits_;
  std::unordered_map<std::uint64_t, known_segment> known_; ///< By number; what never changes once it is sealed.
  expired_segments expired_;
};

} // namespace sluice

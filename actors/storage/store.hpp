#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "actors/storage/retention.hpp"
#include "actors/storage/segment_reader.hpp"
#include "actors/storage/segment_writer.hpp"
#include "messages/frame.hpp"
#include "transport/file_system.hpp"

namespace sluice {

struct store_options {
  sluice::durability durability = durability::fsync;
  std::uint64_t segment_bytes = 256 * 1024 * 1024; ///< A segment is sealed before its body grows beyond.
  std::chrono::nanoseconds segment_age = std::chrono::hours{1};
  /// Of the file system; at or above it nothing is accepted until it is five percentage points emptier.
  unsigned max_used_percent = 90;
  retention_limits retention{};
  std::size_t max_streams = segment_limits::max_streams; ///< Remembered across segments.
};

/// What `store::open` has found.
struct store_recovery {
  std::size_t segments = 0;
  std::size_t streams = 0;
  std::filesystem::path active;
  std::uint64_t active_frames = 0;

  /// The end of the active segment that was cut off: from where, how much, why. Under `durability: fsync` nothing of it
  /// was ever acknowledged.
  struct cut_off {
    damage where;
    std::uint64_t bytes = 0;
  };
  std::optional<cut_off> cut;
};

/// Since the store was opened.
struct store_counters {
  std::uint64_t frames = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t refused = 0; ///< Frames that were not stored: gaps, stale epochs, failures.
  std::uint64_t syncs = 0;
  std::uint64_t segments = 0; ///< Made.
  expired_segments expired;
};

/// Locks a store folder against other writers. Errors: locked, naming store and holder, those of the file system.
expected<std::unique_ptr<file_lock>> lock_store(file_system& files, const std::filesystem::path& folder);

/// The writing side of a store folder (docs/specs/segment.md): appends frames to the active segment and knows where
/// every stream goes on. What `commit` acknowledges is as durable as the options say, stored once and in order.
/// Not thread-safe; calls block on the disk. One store at a time has a folder.
class store {
public:
  /// Makes the folder if need be, locks it and recovers. The cost depends on the active segment alone. Errors: locked,
  /// those of the file system, and bad_checksum, malformed and their like with file and offset where the active segment
  /// is corrupt before its end.
  static expected<std::unique_ptr<store>> open(
    file_system& files, const std::filesystem::path& folder, const store_options& options, timestamp now);

  /// Syncs what `os` has not yet; a store that is just destroyed has lost nothing acknowledged either.
  expected<void> close();

  const store_recovery& recovery() const noexcept { return recovery_; }

  /// What tells this store from others.
  const id128& identity() const noexcept { return identity_; }

  /// The newest durable point of a stream; zeros if it is not known.
  stream_point last(const stream_id& stream) const;

  /// Where a stream goes on: where the newest frame here ends, or, if another store has acknowledged more of it, there.
  /// In that case a gap frame is stored before the stream's next frame. Holds until the stream's next hello. Frames of
  /// an epoch before the hello's are refused from now on, as long as the store is open.
  welcome greet(const hello& question);

  /// Stores what is new of `frames`, all with one sync unless a segment ends in between, and answers each in order:
  /// an ack, also for what was stored already; sequence_gap, stale_epoch, storage_full or an error of the file system
  /// for what is not stored. Frames of one stream may follow each other.
  std::vector<expected<ack>> commit(std::span<const frame> frames, timestamp now);

  /// Seals the active segment if it holds a frame, whatever its size and age.
  expected<void> seal(timestamp now);

  /// Does what is due without a frame: seals the active segment if it has reached its age and holds a frame, removes
  /// segments that have expired, and looks whether there is space again. Call now and then, often while it is full.
  expected<void> tend(timestamp now);

  /// Why nothing is accepted at present; nothing if frames are.
  const std::optional<error>& full() const noexcept { return full_; }

  store_counters counters() const;

  /// What is appended to at present; nullptr while the next segment cannot be made.
  const segment_writer* active() const noexcept { return active_ ? &*active_ : nullptr; }

private:
  struct stream_state {
    stream_point last;
    timestamp stored;
  };
  struct adoption {
    stream_point joins; ///< Where the next frame must.
    stream_point gap_end;
  };

  store(file_system& files, std::filesystem::path folder, const store_options& options)
    : files_(files), folder_(std::move(folder)), options_(options), retention_(files, folder_, options.retention) {}

  expected<void> recover(timestamp now);
  expected<void> make_seal_durable(const segment_reader& sealed);
  expected<void> recover_active(segment_reader reader, timestamp now);
  expected<void> remove_temporary_files();
  void fence(const stream_id& stream, std::uint64_t epoch);
  /// Where the next frame of a stream must join.
  stream_point next_joins(const stream_id& stream) const;
  /// The gap frame that must be stored before `next`, which joins there, if any.
  std::optional<frame> gap_before(const frame_header& next, const stream_point& joins) const;
  expected<void> append(std::span<const frame* const> frames, timestamp now);
  /// Fails while the store is full.
  expected<void> check_space();
  /// Makes of a failure for want of space that the store is full.
  expected<void> noting_space(expected<void> result);
  expected<void> rotate_if_old(timestamp now);
  expected<void> make_room(std::size_t frame_bytes, timestamp now);
  /// How many of `frames` the active segment still takes; at least one.
  std::size_t fitting(std::span<const frame* const> frames) const;
  bool would_exceed(std::size_t frame_bytes) const;
  bool is_old(timestamp now) const;
  expected<void> rotate(timestamp now);
  expected<void> start_segment(timestamp now);
  void forget_oldest_streams();
  void advance(const stream_id& stream, const stream_point& last, timestamp now);
  void retire_active();

  file_system& files_;
  std::filesystem::path folder_;
  store_options options_;
  std::unique_ptr<file_lock> lock_;
  store_recovery recovery_;
  id128 identity_{};
  std::unordered_map<stream_id, stream_state> streams_;
  std::unordered_map<stream_id, adoption> adopted_;     ///< Streams that do not go on where they end here.
  std::unordered_map<stream_id, std::uint64_t> fences_; ///< The least epoch that is taken, if nothing of it is stored.
  std::optional<segment_writer> active_;
  std::uint64_t next_number_ = 1;
  std::optional<error> full_;
  store_counters counters_;
  retention retention_;
};

} // namespace sluice

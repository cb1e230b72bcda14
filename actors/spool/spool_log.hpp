#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "actors/spool/spool_cursor.hpp"
#include "actors/storage/store.hpp"
#include "messages/frame.hpp"
#include "transport/file_system.hpp"

namespace sluice {

struct spool_limits {
  std::uint64_t max_bytes = 1024 * 1024 * 1024; ///< Of all segments, on disk.
  std::uint64_t least_segment_bytes = 1024 * 1024;
  unsigned max_used_percent = 90; ///< Of the file system; at or above it nothing is taken.
};

/// How much some frames hold.
struct spool_content {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0; ///< Of the source.

  void add(const spool_content& x) noexcept;
  void remove(const spool_content& x) noexcept;
  friend bool operator==(const spool_content&, const spool_content&) = default;
};

/// Frames on disk that wait for a receiver (docs/specs/spool.md): takes them at one end, gives them out at the other in
/// stored order and as often as the receiver asks, and removes what is acknowledged. In memory are the points of its
/// streams, the indexes of two segments at most, and for each frame handed on and not acknowledged a few bytes.
/// Not thread-safe; what returns an `expected` blocks on the disk.
class spool_log {
public:
  /// Opens the folder as `store::open` does, and finds what is left in it.
  static expected<std::unique_ptr<spool_log>> open(
    file_system& files, const std::filesystem::path& folder, const spool_limits& limits, timestamp now);

  const store_recovery& recovery() const noexcept { return store_->recovery(); }

  /// Those of which there was a frame when it was opened, with their labels.
  const std::vector<std::pair<stream_id, label_set>>& found() const noexcept { return found_; }

  // -- in ---------------------------------------------------------------------

  /// The newest durable point of a stream; zeros if it is not known.
  stream_point last(const stream_id& stream) const { return store_->last(stream); }

  /// The epoch of the first frame of a stream that there was when it was opened; 0 for none.
  std::uint64_t first_epoch(const stream_id& stream) const;

  /// What is acknowledged of a stream, as far as is known: what lay before the first frame that there was when it was
  /// opened, for nothing else is removed; all of it if there was none.
  stream_point acked(const stream_id& stream) const;

  /// As a store.
  const id128& identity() const noexcept { return store_->identity(); }

  /// Where a stream goes on whose source can be read again, after what the receiver has answered: there, if it has more
  /// than the spool, for instance because it was shipped past the spool.
  stream_point adopt(const welcome& answer) {
    return store_->greet({answer.stream, answer.last, answer.store, answer.last.epoch}).last;
  }

  /// Whether so many bytes of frames more keep to the bound; true for any number if nothing waits.
  bool has_room(std::size_t bytes) const;

  /// As `store::commit`.
  std::vector<expected<ack>> append(std::span<const frame> frames, timestamp now);

  /// Replaces the frames of the oldest sealed segment of which nothing is handed on by gaps of the same sequences and
  /// positions, with `reason`. Returns what was dropped; nothing if there is no such segment.
  expected<spool_content> drop_oldest(std::string_view reason, timestamp now);

  // -- out --------------------------------------------------------------------

  /// The receiver wants the stream to go on after `last`.
  void resume(const stream_id& stream, const stream_point& last);

  /// Everything of the stream up to `last` is acknowledged.
  void acknowledge(const stream_id& stream, const stream_point& last);

  /// The next frames, until `window_bytes` of them are handed on and not acknowledged, there are no more, or the next
  /// one has to wait: for `resume` of its stream, or, where a new epoch begins, for the acknowledgement of the one
  /// before.
  expected<std::vector<frame>> read(std::size_t window_bytes);

  /// Bytes of frames handed on and not acknowledged.
  std::size_t handed_on_bytes() const noexcept { return handed_on_bytes_; }

  /// The position up to which a stream is handed on, if that is all of it, or all that can be.
  std::optional<std::uint64_t> handed_on_to(const stream_id& stream) const;
  bool is_acknowledged(const stream_id& stream) const;
  bool is_all_acknowledged() const;

  /// A stream that is acknowledged and will not go on.
  void forget(const stream_id& stream);

  /// What is not acknowledged yet, as far as the receiver has told.
  const spool_content& waiting() const noexcept { return waiting_; }
  std::uint64_t disk_bytes() const;

  /// Removes sealed segments that are wholly acknowledged, oldest first. If nothing waits and the disk is full, the
  /// active one as well: nothing else would give its space back.
  expected<void> reclaim(timestamp now);

  /// Removes all segments; needs `is_all_acknowledged`. Only `waiting` and `disk_bytes` may be called afterwards.
  expected<void> clear();

private:
  struct handed_on {
    stream_point end;
    std::size_t frame_bytes = 0;
    spool_content content;
  };

  /// How far a stream has got on its way out: once resumed, acked <= handed <= newest.
  struct outbound {
    std::uint64_t first_epoch = 0; ///< Of what was there when it was opened.
    stream_point newest;           ///< In the spool.
    stream_point handed;           ///< Up to here it is handed on, or known to be acknowledged.
    stream_point acked;            ///< As the receiver has last told, or, before that, as is seen from what is left.
    stream_point counted;          ///< Up to here it is taken out of `waiting`.
    spool_content waiting;
    bool resumed = false;
    bool is_stuck = false; ///< What follows `handed` cannot be had.
    std::deque<handed_on> in_flight;
  };

  struct held_segment {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0; ///< Of the file, once sealed.
    bool is_dropped = false; ///< Holds gaps only.
  };

  spool_log(file_system& files, std::filesystem::path folder, const spool_limits& limits, std::unique_ptr<store> opened)
    : files_(files), folder_(std::move(folder)), limits_(limits), store_(std::move(opened)),
      cursor_(files_, folder_, *store_) {}

  expected<void> look_around();
  outbound& at(const stream_id& stream);
  expected<void> follow_rotation();
  expected<bool> pass_next(std::vector<frame>& to);
  expected<bool> pass(const frame_entry& entry, std::vector<frame>& to);
  std::filesystem::path path_of(std::uint64_t segment) const;
  void count_in(outbound& stream, const spool_content& content);
  void count_out(outbound& stream, const spool_content& content);
  void count_acked(outbound& stream, const stream_point& end, const spool_content& content);
  void get_stuck(const stream_id& id, outbound& stream, const error& reason);
  expected<bool> is_oldest_acknowledged();
  bool is_untouched(const segment_index& segment) const;

  file_system& files_;
  std::filesystem::path folder_;
  spool_limits limits_;
  std::unique_ptr<store> store_;
  std::vector<std::pair<stream_id, label_set>> found_;
  std::deque<held_segment> segments_; ///< Ascending, without gaps; the last one is active.
  std::unordered_map<stream_id, outbound> streams_;
  spool_content waiting_; ///< Of all streams.
  std::size_t handed_on_bytes_ = 0;
  std::optional<std::unordered_map<stream_id, stream_point>> oldest_; ///< The newest points in the oldest segment.
  spool_cursor cursor_;
};

} // namespace sluice

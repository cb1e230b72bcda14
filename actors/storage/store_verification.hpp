#pragma once

#include <functional>
#include <unordered_map>

#include "actors/storage/store_check.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {

/// The newest point of each stream.
using stream_points = std::unordered_map<stream_id, stream_point>;

/// Checks segment after segment of a store. Not thread-safe.
class store_verification {
public:
  /// How far to look: records cost most, and a repair cannot mend them.
  enum class depth : std::uint8_t { frames, records };

  store_verification(depth how_deep, std::function<void(const damage&)> on_problem)
    : depth_(how_deep), on_problem_(std::move(on_problem)) {}

  /// Checks a segment, which follows the one before. Returns whether it has no problem.
  bool segment(file_system& files, const segment_file& from, bool is_last);

  const verify_result& result() const noexcept { return result_; }

  /// Where the streams stand behind what was checked; empty if that cannot be known.
  const stream_points& streams() const noexcept { return streams_; }
  bool knows_streams() const noexcept { return knows_streams_; }

  /// Says where the streams stand before the next segment.
  void go_on(stream_points streams) {
    streams_ = std::move(streams);
    knows_streams_ = true;
  }

private:
  void report(const damage& met);
  void check_header(const segment_reader& reader, const segment_file& from);
  void check_body(const segment_reader& reader, const segment_scan& scanned, bool is_last);
  bool check_frame(const segment_reader& reader, const frame_entry& entry);
  void report_frame(const segment_reader& reader, const frame_entry& entry, error reason);
  void check_order(const segment_reader& reader, const frame_entry& entry, bool leaves_out);
  expected<void> check_records(const frame& from);

  depth depth_;
  std::function<void(const damage&)> on_problem_;
  verify_result result_;
  payload_decompressor decompressor_;
  stream_points streams_;
  bool knows_streams_ = false; ///< Whether `streams_` is what the next header must list.
};

} // namespace sluice

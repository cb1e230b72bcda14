#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "actors/source/file_identity.hpp"
#include "actors/source/overload.hpp"
#include "actors/source/pipe_reader.hpp"
#include "actors/source/skipped_ranges.hpp"
#include "messages/stream.hpp"

namespace sluice {

/// One stream on its way out of a source: a file, or a pipe. What the source knows of it; not thread-safe.
struct source_input {
  using time_point = std::chrono::steady_clock::time_point;

  enum class stage : std::uint8_t {
    waiting,   ///< For what comes before it.
    due,       ///< To be announced.
    announced, ///< Its first welcome has not come.
    reading,
    ended, ///< Nothing more will come.
  };

  std::string path; ///< As it was given, or at which it is followed.
  stream_id stream;
  std::shared_ptr<file> opened;
  std::shared_ptr<pipe_reader> pipe;  ///< Null for a file.
  std::optional<stream_point> resume; ///< Where the receiver wants it to go on.
  std::uint64_t position = 0;
  std::uint64_t acked = 0;
  skipped_ranges skipped; ///< Between the two.
  stage now = stage::waiting;
  bool is_queued = false; ///< To be read.
  bool is_lost = false;   ///< Cannot be read from where the receiver wants it.
  /// It is a pipe of which the source before this one has read something that is not acknowledged: that is shipped
  /// though nothing more is read.
  bool was_read_before = false;
  std::uint64_t begins_at = 0; ///< What lies before it is acknowledged and cannot be read again.
  bool is_full = false;        ///< It is a pipe of which nothing more can be dropped before something is read.

  // Of a file:
  std::filesystem::path location; ///< Where it was last seen.
  file_identity which;
  file_head head;
  std::uint64_t size = 0; ///< As last seen.
  std::uint64_t used = 0; ///< When it was last opened or read; a count.

  // Of a file that is followed:
  bool is_followed = false;
  bool is_at_end = false;               ///< As of the last time that it was read.
  std::size_t unfinished_bytes = 0;     ///< Of a last line, at the end.
  std::uint64_t end = 0;                ///< Position of the end then, if something unfinished was before it,
  std::optional<time_point> end_since;  ///< and since when it is there;
  bool is_quiet = false;                ///< so long that a last record there is complete.
  std::optional<time_point> away_since; ///< When its path was seen to lead to it no more.
  bool is_missing = false;              ///< It has not been seen since the agent started: its size is not known.
  bool is_late = false;                 ///< It has been away long enough: its last line is taken as it is.
  bool is_listed_as_over = false;
  std::unique_ptr<lag_limit> lag; ///< Null if nothing of it may be dropped.

  /// Whether all that is in it is stored and nothing is to be expected but what comes late, so that what was written
  /// after it may follow.
  bool is_settled() const noexcept {
    if (resume || acked != position)
      return false;
    return now == stage::ended || (now == stage::reading && away_since && is_at_end && unfinished_bytes == 0);
  }

  /// Whether it can be forgotten.
  bool is_over() const noexcept {
    return is_followed && now == stage::ended && !resume && !is_queued && acked == position;
  }
};

} // namespace sluice

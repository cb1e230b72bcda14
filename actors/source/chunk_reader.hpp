#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "actors/source/line_joiner.hpp"
#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "messages/record_codec.hpp"

namespace sluice {

class file;

/// How much to take at once from a source.
struct chunk_limits {
  std::size_t max_bytes = 1024 * 1024;
  std::uint32_t max_events = 4096;
  /// A longer line is cut into records of this size; raw output joins them again.
  std::size_t max_record_bytes = 16 * 1024 * 1024;
};

/// Where text may be cut so that the part before is whole lines within the limits. Counts as text is appended, so that
/// nothing is looked at twice. Not thread-safe.
class line_cutter {
public:
  explicit line_cutter(chunk_limits limits) : limits_(limits) {}

  /// Looks at what has been appended to `text` since the last call. Returns whether there is enough to cut.
  bool scan(std::string_view text);

  struct cut {
    std::size_t bytes = 0;
    std::uint32_t records = 0;
  };

  /// The longest run of whole lines within the limits; a first line beyond `max_bytes` alone; a part of a line
  /// once it exceeds `max_record_bytes`. At the source's end (`last`) an unterminated line counts as whole.
  cut take(std::string_view text, bool last) const;

private:
  struct progress {
    std::size_t bytes = 0;
    std::size_t newlines = 0;
  };
  chunk_limits limits_;
  progress seen_;   ///< What has been looked at.
  progress before_; ///< And what before the last call of `scan`, when no limit was reached yet.
};

/// What `read_chunk` found.
struct file_chunk {
  lines_payload lines;
  std::uint32_t records = 0;                 ///< 0 if there is nothing (more) to take.
  bool at_end = false;                       ///< The file ends behind it.
  std::size_t unfinished_bytes = 0;          ///< Of a line or record that was left there, at the end.
  std::vector<std::uint32_t> record_bytes{}; ///< Of each record, if lines were joined.
};

/// What becomes of an unterminated line at the end of a file.
enum class last_line {
  take,  ///< It is taken as it is.
  leave, ///< It may be completed yet.
};

/// Reads whole lines from `from` at `position`, into `memory`. Blocks; the file must be seekable.
expected<file_chunk> read_chunk(
  file& from, std::uint64_t position, const chunk_limits& limits, buffer memory, last_line last = last_line::take);

/// How records are read.
struct reading {
  chunk_limits limits;
  last_line last = last_line::take;
  std::shared_ptr<const line_joiner> joiner; ///< If not every line is a record.
  /// Where the file has ended for so long that the last record there goes on no more.
  std::optional<std::uint64_t> complete_at;
};

/// Makes records of the lines that were read, as they were joined; without the last one, which is left, unless it is
/// complete.
void take_records(file_chunk& made, line_joiner::joined records, bool is_complete);

/// Reads as `read_chunk` does, and joins lines. The last record is left if it may go on. A record is cut where it
/// exceeds `max_record_bytes`.
expected<file_chunk> read_records(file& from, std::uint64_t position, const reading& how, buffer memory);

} // namespace sluice

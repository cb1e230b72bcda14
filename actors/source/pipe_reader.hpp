#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "actors/source/chunk_reader.hpp"
#include "actors/source/pipe_content.hpp"
#include "messages/stream.hpp"

namespace sluice {

/// What `pipe_reader` gives out: lines, or what was dropped in their place.
struct pipe_chunk : file_chunk {
  std::optional<dropped_records> dropped{};
};

/// Reads whole lines from a pipe. A pipe gives everything once; so that a source that failed can be followed by another
/// one, this lives outside of it and keeps what is not acknowledged: it can be read again, from any position. Whoever
/// reads bounds that by not reading on. Thread-safe.
class pipe_reader {
public:
  /// `source` makes a stream of it, that of every source which reads it.
  pipe_reader(std::string name, id128 source, std::shared_ptr<file> opened)
    : name_(std::move(name)), source_(source), opened_(std::move(opened)) {}

  const id128& source() const noexcept { return source_; }

  /// Takes a chunk from `position` on, of what is kept and then of what comes within a fifth of a second. What lies
  /// before `acked` is kept no longer. Blocks. Error: not_rereadable, as `check`.
  expected<pipe_chunk> read(std::uint64_t position, std::uint64_t acked, const chunk_limits& limits, buffer memory);

  /// The same of what is kept, without reading on: its last line counts as whole. No records once there is nothing.
  expected<pipe_chunk> rest(std::uint64_t position, const chunk_limits& limits, buffer memory);

  /// What `drop` has done.
  struct dropped {
    std::uint32_t records = 0;
    std::uint64_t bytes = 0;
    bool is_all = false; ///< There is nothing more to drop: the pipe has ended, or too much is kept.
  };

  /// Reads on as `read` does, without giving anything out: drops whole lines, but keeps those at least as severe as
  /// `least`, if it is set, until `max_kept_bytes` are kept that nobody has read yet. Blocks.
  expected<dropped> drop(
    std::optional<severity> least, std::size_t max_kept_bytes, const chunk_limits& limits, timestamp now);

  /// Whether it can be read from `position` on. Error: not_rereadable.
  expected<void> check(std::uint64_t position);

  /// What can be read again: from the first byte that is not known to be acknowledged to the last that has come.
  struct range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  range kept();

private:
  expected<void> check_kept(std::uint64_t position) const;
  /// Returns whether something has come.
  expected<bool> read_new(lines_payload& into, std::chrono::milliseconds patience);
  bool take_kept(lines_payload& into, std::uint64_t position) const;
  pipe_chunk give_dropped(const dropped_records& x);
  pipe_chunk give(lines_payload lines, std::uint64_t position, const line_cutter& cutter, bool is_cut_off);

  const std::string name_;
  const id128 source_;
  const std::shared_ptr<file> opened_;
  std::mutex mutex_;
  pipe_content content_;
  bool has_ended_ = false;
};

} // namespace sluice

#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "actors/source/chunk_reader.hpp"
#include "messages/stream.hpp"

namespace sluice {

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
  expected<file_chunk> read(std::uint64_t position, std::uint64_t acked, const chunk_limits& limits, buffer memory);

  /// The same of what is kept, without reading on: its last line counts as whole. No records once there is nothing.
  expected<file_chunk> rest(std::uint64_t position, const chunk_limits& limits, buffer memory);

  /// Whether it can be read from `position` on. Error: not_rereadable.
  expected<void> check(std::uint64_t position);

  /// Whether something was read and is not acknowledged as far as is known.
  bool holds_something();

private:
  std::uint64_t end() const noexcept { return begin_ + kept_.size() - forgotten_; }
  expected<void> check_kept(std::uint64_t position) const;
  void forget(std::uint64_t acked);
  bool take_kept(lines_payload& into, std::uint64_t position) const;
  expected<bool> take_new(lines_payload& into, std::chrono::milliseconds patience);
  file_chunk cut(lines_payload lines, const line_cutter& cutter, bool last) const;

  const std::string name_;
  const id128 source_;
  const std::shared_ptr<file> opened_;
  std::mutex mutex_;
  std::string kept_;
  std::size_t forgotten_ = 0; ///< Bytes at the front of `kept_` that count no more.
  std::uint64_t begin_ = 0;   ///< Position of the first byte that counts.
  bool has_ended_ = false;
};

} // namespace sluice

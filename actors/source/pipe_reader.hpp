#pragma once

#include <memory>

#include "actors/source/chunk_reader.hpp"

namespace sluice {

/// Reads whole lines from a pipe, which cannot be read twice: keeps the beginning of a line until the rest has
/// come. One call at a time.
class pipe_reader {
public:
  pipe_reader(std::shared_ptr<file> opened, chunk_limits limits) : opened_(std::move(opened)), limits_(limits) {}

  /// Waits until there is something, for a fifth of a second at most, and takes what is there by then, up to a chunk.
  expected<file_chunk> read(buffer memory);

  /// What was read and not handed out, up to a chunk, without reading more; no records once there is nothing.
  file_chunk rest(buffer memory);

private:
  void cut(file_chunk& made, const line_cutter& cutter, bool last);

  std::shared_ptr<file> opened_;
  chunk_limits limits_;
  buffer rest_; ///< Read, but not handed out yet.
};

} // namespace sluice

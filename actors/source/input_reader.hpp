#pragma once

#include <memory>
#include <optional>

#include <caf/fwd.hpp>

#include "actors/runtime/task.hpp"
#include "actors/source/chunk_reader.hpp"
#include "actors/source/source_input.hpp"
#include "messages/buffer_pool.hpp"

namespace sluice {

class executor;
class file_system;

/// Opens and reads inputs for the actor that it belongs to, which does not wait for a disk meanwhile.
class input_reader {
public:
  struct options {
    chunk_limits limits;
    std::shared_ptr<const line_joiner> joiner;    ///< If not every line is a record.
    std::chrono::nanoseconds multiline_timeout{}; ///< How long a last record is left for lines that continue it.
  };

  input_reader(
    caf::scheduled_actor* self, file_system& files, executor& io, options how, std::shared_ptr<buffer_pool> pool)
    : self_(self), files_(files), io_(io), how_(std::move(how)), pool_(std::move(pool)) {}

  enum class outcome {
    more,      ///< There may be more.
    at_end,    ///< There is nothing more at present.
    over,      ///< Nor will there ever be.
    failed,    ///< It could not be read.
    moved,     ///< It is not where it was; it has to be looked for.
    truncated, ///< Something else is in the file; nothing was taken.
  };

  struct result {
    outcome how;
    std::optional<file_chunk> taken{};
    std::optional<error> failure{};
    std::optional<dropped_records> dropped{}; ///< Of a pipe, in place of a chunk.
  };

  /// Reads a chunk at the input's position. Opens it if need be, and keeps what is noted of a followed file up to date.
  task<result> read(source_input& x);

  /// Opens the input if need be. Returns why that is not possible.
  task<std::optional<error>> open(source_input& x);

  /// Reads a chunk of what has come of a pipe at the input's position, its last line as it is.
  task<expected<pipe_chunk>> read_rest(source_input& x);

  /// Drops what comes from a pipe as its `drop` does.
  task<expected<pipe_reader::dropped>> drop(
    source_input& x, std::optional<severity> least, std::size_t max_kept_bytes, timestamp now);

  /// Whether it can be read from behind so many bytes on, which is found out of followed files as they are read. Opens
  /// a file if need be. Error: not_rereadable for a pipe that keeps other bytes.
  task<expected<bool>> has_bytes(source_input& x, std::uint64_t bytes);

private:
  task<result> read_pipe(source_input& x);
  void join_lines(source_input& x, file_chunk& made, bool is_last);
  task<result> read_file(source_input& x);
  task<result> read_followed_file(source_input& x);

  caf::scheduled_actor* self_;
  file_system& files_;
  executor& io_;
  options how_;
  std::shared_ptr<buffer_pool> pool_;
};

} // namespace sluice

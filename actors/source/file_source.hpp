#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/source/abandoned_input.hpp"
#include "actors/source/chunk_reader.hpp"
#include "actors/source/overload.hpp"
#include "messages/buffer_pool.hpp"

namespace sluice {

struct environment;
class pipe_reader;

/// How files are followed.
struct follow_config {
  std::vector<std::string> patterns; ///< Absolute paths or shell patterns; nothing is followed if there are none.
  /// How often to look for changes; five times less often where the system tells of them.
  std::chrono::milliseconds poll_interval{1'000};
  /// How long a file that was rotated is watched for late lines.
  std::chrono::milliseconds rotate_wait{5'000};
  std::size_t max_open_files = 256;
};

struct file_source_config {
  id128 producer{};
  std::uint64_t epoch = 1;          ///< Which start of the agent this is: what it ships goes on in this epoch.
  std::filesystem::path file_notes; ///< Where files are noted (file_registry.hpp).
  std::vector<std::string> paths;   ///< Files and pipes, one after the other; `-` is standard input.
  /// Those of `paths` that are pipes. They outlive the source, so that its successor can go on with them.
  std::map<std::string, std::shared_ptr<pipe_reader>> pipes;
  follow_config follow; ///< Beside them.
  label_set labels;     ///< For every stream; `source` is added with the path unless it is set here.
  chunk_limits limits;
  std::shared_ptr<const line_joiner> joiner;          ///< If not every line is a record.
  std::chrono::milliseconds multiline_timeout{1'000}; ///< How long a last record is left for lines that continue it.
  overload_config overload;                           ///< Of files only those that are followed can lose anything.
  /// Bytes that may be read and not yet be durable, over all files. Bounds the memory of the whole pipeline.
  std::size_t window_bytes = 32 * 1024 * 1024;
  /// What sources with this configuration that failed have left behind.
  std::shared_ptr<abandoned_input> abandoned = std::make_shared<abandoned_input>();
};

/// Starts a source that reads files from where their receiver wants to go on: those given to their present end, those
/// followed until it is told to stop.
source_actor spawn_file_source(caf::actor_system& system, environment& env, file_source_config config,
  std::shared_ptr<buffer_pool> pool, batcher_actor next);

} // namespace sluice

#pragma once

#include <memory>
#include <string_view>

#include "actors/interfaces.hpp"
#include "actors/source/chunk_reader.hpp"
#include "actors/source/input_table.hpp"
#include "actors/source/overload.hpp"
#include "actors/stats/drop_notice.hpp"
#include "messages/buffer_pool.hpp"

namespace sluice {

class component_metrics;
struct environment;

/// Hands on what a source has read, and what it has dropped; counts both. For the actor that it belongs to.
class outlet {
public:
  outlet(source_actor::pointer self, environment& env, component_metrics& metrics, input_table& inputs,
    std::shared_ptr<buffer_pool> pool, batcher_actor next)
    : self_(self), env_(env), metrics_(metrics), inputs_(inputs), pool_(std::move(pool)), next_(std::move(next)) {}

  /// Hands on a chunk, or what the input's limit leaves of it.
  void hand_on(source_input& x, file_chunk taken);

  /// Tells what is missing. Nothing is counted: of what was truncated nobody knows how many records it were.
  void tell_gap(source_input& x, std::string_view reason, std::uint32_t records, std::uint64_t bytes, timestamp first,
    timestamp last);

  /// Tells what is missing of a pipe.
  void tell_gap(source_input& x, const dropped_records& gone);

  /// Counts what was dropped, and logs that now and then.
  void count_dropped(std::string_view reason, std::uint32_t records, std::uint64_t bytes);

  /// Logs what was dropped since the last time.
  void say_dropped();

private:
  void send(source_input& x, file_chunk taken);

  source_actor::pointer self_;
  environment& env_;
  component_metrics& metrics_;
  input_table& inputs_;
  std::shared_ptr<buffer_pool> pool_;
  batcher_actor next_;
  drop_notice notice_{self_, "source"};
};

} // namespace sluice

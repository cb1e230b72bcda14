#include "actors/batcher/batcher.hpp"

#include <unordered_map>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/runtime/awaitables.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

namespace {

struct batcher_state {
  static inline const char* name = "batcher";

  struct open_batch {
    batch_builder builder;
    upstream_actor source;
    caf::disposable timer{};     ///< Flushes the batch at hand.
    std::uint64_t handed_on = 0; ///< Position up to which batches have gone on.
    std::uint64_t acked = 0;     ///< Position up to which they are durable.
  };

  batcher_state(
    batcher_actor::pointer self, batch_limits limits, std::shared_ptr<buffer_pool> pool, compressor_actor next)
    : self_(self), limits_(limits), pool_(std::move(pool)), next_(std::move(next)), metrics_(self->system(), name) {}

  batcher_actor::behavior_type make_behavior() {
    return {
      [this](const open_stream& x) {
        streams_.try_emplace(x.stream,
          open_batch{batch_builder{x.stream, x.labels, limits_}, caf::actor_cast<upstream_actor>(x.upstream)});
        auto mine = x;
        mine.upstream = self_->ctrl();
        self_->send(next_, std::move(mine));
      },
      [this](const restart_stream& x) {
        if (auto* stream = find(x.stream)) {
          stream->timer.dispose();
          hold(stream->builder, -1);
          if (auto records = stream->builder.restart(x.last))
            metrics_.discarded("made_again", records);
          stream->handed_on = stream->acked = x.last.position;
        }
        self_->send(next_, x);
      },
      [this](const chunk& x) {
        if (auto* stream = find(x.stream)) {
          metrics_.received(x.record_count, x.lines->text_bytes());
          add(*stream, x);
        }
      },
      [this](const gap& x) {
        if (auto* stream = find(x.stream))
          add(*stream, x);
      },
      [this](idle_atom, const stream_id& id) {
        // Batches that are on their way bring an ack, and that the next chance; until then more may come.
        if (auto* stream = find(id); stream && stream->acked == stream->handed_on)
          flush(*stream);
      },
      [this](const end_stream& x) {
        if (auto* stream = find(x.stream))
          flush(*stream);
        self_->send(next_, x);
      },
      [this](const close_stream& x) {
        if (auto* stream = find(x.stream)) {
          stream->timer.dispose();
          hold(stream->builder, -1);
          streams_.erase(x.stream);
        }
        self_->send(next_, x);
      },
      [this](end_of_input_atom x) { self_->send(next_, x); },
      [this](const welcome& x) {
        if (auto* stream = find(x.stream))
          self_->send(stream->source, x);
      },
      [this](const ack& x) {
        if (auto* stream = find(x.stream)) {
          stream->acked = x.last.position;
          self_->send(stream->source, x);
        }
      },
      [](flush_atom) {},
    };
  }

  open_batch* find(const stream_id& id) {
    auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
  }

  /// Adds a chunk or a gap.
  template <class T>
  void add(open_batch& stream, const T& x) {
    if (!stream.builder.fits(x))
      flush(stream);
    auto begins = stream.builder.empty();
    hold(stream.builder, -1);
    stream.builder.add(x);
    hold(stream.builder, 1);
    if (stream.builder.full())
      flush(stream);
    else if (begins)
      flush_later(x.stream, stream);
  }

  void flush_later(const stream_id& id, open_batch& stream) {
    stream.timer = run_later(self_, limits_.timeout, [this, id] {
      if (auto* stream = find(id))
        flush(*stream);
    });
  }

  void flush(open_batch& stream) {
    if (stream.builder.empty())
      return;
    stream.timer.dispose();
    hold(stream.builder, -1);
    auto made = stream.builder.finish(*pool_);
    stream.handed_on = made.header.position_end;
    metrics_.sent(made.header.stored_records(), made.payload->size());
    self_->send(next_, std::move(made));
  }

  /// Counts what is collected in `builder` in or out.
  void hold(const batch_builder& builder, int sign) {
    metrics_.hold(
      sign * static_cast<std::int64_t>(builder.records()), sign * static_cast<std::int64_t>(builder.bytes()));
  }

  batcher_actor::pointer self_;
  batch_limits limits_;
  std::shared_ptr<buffer_pool> pool_;
  compressor_actor next_;
  component_metrics metrics_;
  std::unordered_map<stream_id, open_batch> streams_;
};

} // namespace

batcher_actor spawn_batcher(
  caf::actor_system& system, batch_limits limits, std::shared_ptr<buffer_pool> pool, compressor_actor next) {
  return system.spawn<batcher_actor::stateful_impl<batcher_state>>(limits, std::move(pool), std::move(next));
}

} // namespace sluice

#include "actors/transform/transformer.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/stats/metrics.hpp"
#include "actors/transform/batch_transform.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

struct transformer_state {
  static inline const char* name = "transformer";

  transformer_state(
    compressor_actor::pointer self, transform_config what, std::shared_ptr<buffer_pool> pool, compressor_actor next)
    : self_(self), labels_(std::move(what.labels)), has_rules_(!what.records.empty()),
      records_(what.records, std::move(pool)), next_(std::move(next)), metrics_(self->system(), name) {}

  compressor_actor::behavior_type make_behavior() {
    return {
      [this](open_stream& x) {
        if (auto added = add_labels(x.labels); !added) {
          spdlog::error("transformer: stream {}: {}", to_string(x.stream), added.error().message);
          metrics_.failed(added.error().code);
        }
        self_->send(next_, std::move(x));
      },
      [this](const restart_stream& x) {
        records_.restart(x.stream);
        self_->send(next_, x);
      },
      [this](batch& x) { transform(x); },
      [this](const end_stream& x) { self_->send(next_, x); },
      [this](const close_stream& x) {
        records_.restart(x.stream);
        self_->send(next_, x);
      },
      [this](end_of_input_atom x) { self_->send(next_, x); },
    };
  }

  /// Adds those that fit; says why, if one does not.
  expected<void> add_labels(label_set& to) const {
    expected<void> outcome;
    for (auto& [key, value] : labels_)
      if (auto set = to.set(key, value); !set)
        outcome = set;
    return outcome;
  }

  void transform(batch& x) {
    static_cast<void>(add_labels(x.header.labels)); // as `open_stream` has told
    metrics_.received(x.header.stored_records(), x.payload->size());
    if (has_rules_ && x.header.kind == frame_kind::records)
      apply_rules(x);
    metrics_.sent(x.header.stored_records(), x.payload->size());
    self_->send(next_, std::move(x));
  }

  void apply_rules(batch& x) {
    auto outcome = records_.apply(x);
    records_.take_failures([this](std::string_view reason, std::uint64_t times) { metrics_.failed(reason, times); });
    if (!outcome) {
      spdlog::error("transformer: stream {}: {} unchanged: {}", to_string(x.header.stream),
        counted(x.header.record_count, "record"), outcome.error().message);
      return metrics_.failed(to_string(outcome.error().code), x.header.record_count);
    }
    if (outcome->filtered > 0)
      metrics_.discarded(gap_reason::filtered, outcome->filtered);
    if (outcome->sampled > 0)
      metrics_.discarded(gap_reason::sampled, outcome->sampled);
    x = std::move(outcome->made);
  }

  compressor_actor::pointer self_;
  label_set labels_;
  bool has_rules_;
  batch_transform records_;
  compressor_actor next_;
  component_metrics metrics_;
};

} // namespace

compressor_actor spawn_transformer(
  caf::actor_system& system, transform_config what, std::shared_ptr<buffer_pool> pool, compressor_actor next) {
  return system.spawn<compressor_actor::stateful_impl<transformer_state>>(
    std::move(what), std::move(pool), std::move(next));
}

} // namespace sluice

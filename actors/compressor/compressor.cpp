#include "actors/compressor/compressor.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

namespace {

struct compressor_state {
  static inline const char* name = "compressor";

  compressor_state(compressor_actor::pointer self, compression how, downstream_actor next)
    : self_(self), codec_(how), next_(std::move(next)), metrics_(self->system(), name) {}

  compressor_actor::behavior_type make_behavior() {
    return {
      [this](const open_stream& x) { self_->send(next_, x); },
      [this](const restart_stream& x) { self_->send(next_, x); },
      [this](const batch& x) { compress(x); },
      [this](const end_stream& x) { self_->send(next_, x); },
      [this](const close_stream& x) { self_->send(next_, x); },
      [this](end_of_input_atom x) { self_->send(next_, x); },
    };
  }

  void compress(const batch& x) {
    metrics_.received(x.header.stored_records(), x.payload->size());
    auto made = x.header.kind == frame_kind::gap ? frame::encode(x.header, x.payload->view())
                                                 : codec_.compress(x.header, x.payload->view());
    if (!made) {
      // Only a batch that breaks the format's bounds gets here; going on would leave a gap in its stream.
      spdlog::error("compressor: stream {}: {}", to_string(x.header.stream), made.error().message);
      self_->quit(to_caf(made.error()));
      return;
    }
    metrics_.sent(x.header.stored_records(), made->size());
    self_->send(next_, std::move(*made));
  }

  compressor_actor::pointer self_;
  payload_compressor codec_;
  downstream_actor next_;
  component_metrics metrics_;
};

} // namespace

compressor_actor spawn_compressor(caf::actor_system& system, compression how, downstream_actor next) {
  return system.spawn<compressor_actor::stateful_impl<compressor_state>>(how, std::move(next));
}

} // namespace sluice

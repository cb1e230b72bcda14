#include "actors/intake/http_intake.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <fmt/format.h>

#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"

namespace sluice {

namespace {

struct http_intake_actor_state {
  static inline const char* name = "intake";

  http_intake_actor_state(
    source_actor::pointer self, environment& env, http_intake_config config, compressor_actor next)
    : self_(self), env_(env), config_(std::move(config)), at_hand_(*config_.state),
      outlet_(self, config_.stream, at_hand_.records, std::move(next)) {}

  source_actor::behavior_type make_behavior() {
    outlet_.open();
    at_hand_.queue->attach([this, weak = caf::weak_actor_ptr{self_->ctrl()}] {
      if (auto alive = weak.lock())
        run_on(alive, [this] { take_in(); });
    });
    return {
      [this](const welcome& x) {
        outlet_.go_on_after(x.last);
        settle();
      },
      [this](const ack& x) {
        at_hand_.records.content.acknowledge(x.last);
        settle();
      },
      [this](stop_atom) { stop(); },
      [](status_atom) { return std::vector<std::string>{}; },
    };
  }

  /// Answers whose records are durable, then goes on.
  void settle() {
    auto durable = at_hand_.records.content.acked().position;
    auto& answers = at_hand_.answers;
    for (; !answers.empty() && answers.front().position <= durable; answers.pop_front())
      answer(answers.front().id, std::move(answers.front().answer));
    take_in();
  }

  void take_in() {
    auto now = env_.now();
    while (at_hand_.records.bytes() < config_.window_bytes) {
      auto next = at_hand_.queue->take();
      if (!next)
        break;
      read(next->first, next->second, now);
    }
    outlet_.flush_if_idle();
    for (auto& [status, times] : at_hand_.queue->take_refused())
      count_refused(status, times);
    outlet_.count();
    if (at_hand_.listener && at_hand_.queue->is_finished()) {
      at_hand_.listener.reset();
      outlet_.end();
    }
  }

  void read(request_id id, const http_request& request, timestamp now) {
    auto made = at_hand_.endpoints.read(request, now, [this](const record_view& record) { outlet_.add(record); });
    outlet_.metrics().failed("unparsed", made.counts.unparsed);
    outlet_.metrics().failed("refused", made.counts.refused);
    if (made.answer.status >= 400)
      count_refused(made.answer.status, 1);
    if (made.counts.records == 0)
      return answer(id, std::move(made.answer));
    at_hand_.answers.push_back({id, at_hand_.records.batch->position(), std::move(made.answer)});
  }

  void answer(request_id id, http_answer with) {
    if (at_hand_.listener)
      at_hand_.listener->answer(id, std::move(with));
  }

  void count_refused(unsigned status, std::uint64_t times) {
    outlet_.metrics().failed(fmt::format("http_{}", status), times);
  }

  /// Requests that are whole are still answered.
  void stop() {
    if (at_hand_.listener)
      at_hand_.listener->finish();
    else
      outlet_.end();
  }

  source_actor::pointer self_;
  environment& env_;
  http_intake_config config_;
  http_intake_state& at_hand_;
  intake_outlet outlet_;
};

} // namespace

source_actor spawn_http_intake(
  caf::actor_system& system, environment& env, http_intake_config config, compressor_actor next) {
  return system.spawn<source_actor::stateful_impl<http_intake_actor_state>>(
    std::ref(env), std::move(config), std::move(next));
}

} // namespace sluice

#include "actors/intake/api_intake.hpp"

#include <algorithm>
#include <limits>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/stats/drop_notice.hpp"

namespace sluice {

namespace {

/// After something has come, more is likely to: it looks again by itself that much later, so that threads which submit
/// all the time never have to wake it.
constexpr std::chrono::milliseconds gathering_time{5};

/// What is dropped in this time becomes one gap.
constexpr std::chrono::seconds gap_time{1};

struct api_intake_actor_state {
  static inline const char* name = "intake";

  api_intake_actor_state(source_actor::pointer self, environment& env, api_intake_config config, compressor_actor next)
    : self_(self), env_(env), config_(std::move(config)), at_hand_(*config_.state), queue_(*at_hand_.queue),
      outlet_(self, config_.stream, at_hand_.records, std::move(next)) {}

  ~api_intake_actor_state() {
    visit_timer_.dispose();
    gap_timer_.dispose();
  }

  source_actor::behavior_type make_behavior() {
    outlet_.open();
    queue_.attach([this, weak = caf::weak_actor_ptr{self_->ctrl()}] {
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
      [this](stop_atom) {
        at_hand_.is_stopped = true;
        take_in();
      },
      [](status_atom) { return std::vector<std::string>{}; },
    };
  }

  void settle() {
    mark_batches();
    queue_.reach(submission_queue::stage::spooled, at_hand_.records.content.acked().position);
    take_in();
    if (has_ended_)
      outlet_.close_if_done();
  }

  void take_in() {
    if (has_ended_)
      return;
    count_drops();
    auto pass = queue_.begin_pass();
    auto taken_before = at_hand_.taken_records;
    auto all = has_room() && queue_.take(record_, [this](const record_view& record) { return add(record); });
    if (all && (pass.asks || at_hand_.is_stopped)) {
      tell_drops();
      outlet_.flush();
    }
    outlet_.flush_if_idle();
    outlet_.count();
    mark_batches();
    if (all && pass.asks)
      queue_.end_pass(pass, at_hand_.records.batch->position());
    if (all && at_hand_.is_stopped && queue_.is_empty())
      end();
    else if (all && (at_hand_.is_stopped || queue_.is_filling()))
      run_on(self_, [this] { take_in(); });
    else if (all && at_hand_.taken_records != taken_before)
      come_back();
    else if (all && !queue_.rest())
      run_on(self_, [this] { take_in(); });
  }

  bool has_room() const { return at_hand_.records.bytes() < config_.window_bytes; }

  bool add(const record_view& record) {
    ++at_hand_.taken_records;
    outlet_.add(record);
    mark_batches();
    return has_room();
  }

  /// Says how many records lie before the end of the newest batch.
  void mark_batches() {
    auto& newest = at_hand_.records.content.last();
    if (std::exchange(at_hand_.marked_sequence, newest.sequence) != newest.sequence)
      queue_.mark(newest.position, at_hand_.taken_records - at_hand_.records.batch->records());
  }

  void come_back() {
    visit_timer_.dispose();
    visit_timer_ = run_later(self_, gathering_time, [this] { take_in(); });
  }

  void end() {
    has_ended_ = true;
    outlet_.end();
    outlet_.close_if_done();
  }

  // -- what was dropped -------------------------------------------------------

  void count_drops() {
    if (auto dropped = queue_.take_dropped()) {
      outlet_.metrics().received(dropped, 0);
      outlet_.metrics().discarded(gap_reason::drop_newest, dropped);
      notice_.add(gap_reason::drop_newest, dropped);
      at_hand_.last_drop = env_.now();
      if (at_hand_.dropped_records == 0)
        at_hand_.first_drop = at_hand_.last_drop;
      at_hand_.dropped_records += dropped;
    }
    if (at_hand_.dropped_records > 0 && gap_timer_.disposed())
      gap_timer_ = run_later(self_, gap_time, [this] {
        tell_drops();
        mark_batches();
      });
  }

  void tell_drops() {
    gap_timer_.dispose();
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    auto told = std::min(at_hand_.dropped_records, most);
    if (told > 0)
      outlet_.add_gap(
        gap_reason::drop_newest, static_cast<std::uint32_t>(told), at_hand_.first_drop, at_hand_.last_drop);
    at_hand_.dropped_records -= told;
  }

  source_actor::pointer self_;
  environment& env_;
  api_intake_config config_;
  api_intake_state& at_hand_;
  submission_queue& queue_;
  intake_outlet outlet_;
  record_view record_;
  bool has_ended_ = false;
  drop_notice notice_{self_, "intake"};
  caf::disposable visit_timer_, gap_timer_;
};

} // namespace

source_actor spawn_api_intake(
  caf::actor_system& system, environment& env, api_intake_config config, compressor_actor next) {
  return system.spawn<source_actor::stateful_impl<api_intake_actor_state>>(
    std::ref(env), std::move(config), std::move(next));
}

} // namespace sluice

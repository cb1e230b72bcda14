#include "actors/intake/intake.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/stats/drop_notice.hpp"

namespace sluice {

namespace {

/// What the listener may read ahead.
constexpr std::size_t read_ahead_bytes = 4 * 1024 * 1024;

struct intake_actor_state {
  static inline const char* name = "intake";

  intake_actor_state(source_actor::pointer self, environment& env, intake_config config, compressor_actor next)
    : self_(self), env_(env), config_(std::move(config)), at_hand_(*config_.state),
      outlet_(self, {name_of_listener(), config_.stream, config_.labels, config_.batch}, at_hand_, std::move(next)),
      metrics_(outlet_.metrics()) {}

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
        at_hand_.content.acknowledge(x.last);
        settle();
      },
      [this](stop_atom) { stop(); },
      [](status_atom) { return std::vector<std::string>{}; },
    };
  }

  // -- what comes in ----------------------------------------------------------

  void take_in() {
    auto now = env_.now();
    for (auto& event : at_hand_.queue->take())
      std::visit([this, now](auto& x) { handle(x, now); }, event);
    count();
    settle();
  }

  void handle(const intake_queue::refused& x, timestamp) {
    auto level = x.reason.code == errc::overloaded ? spdlog::level::debug : spdlog::level::warn;
    spdlog::log(level, "{}: {} is refused: {}", name_of_listener(), x.name, x.reason.message);
    metrics_.failed(x.reason.code);
  }

  void handle(const intake_queue::opened& x, timestamp) {
    spdlog::debug("{}: {} is connected", name_of_listener(), x.name);
    at_hand_.records->open(x.peer, x.name);
  }

  void handle(const intake_queue::bytes& x, timestamp now) {
    use(x.credit);
    at_hand_.records->feed(x.peer, x.content.text(), now, take());
  }

  void handle(const intake_queue::closed& x, timestamp now) {
    if (x.reason)
      spdlog::debug("{}: a connection was lost: {}", name_of_listener(), x.reason->message);
    at_hand_.records->close(x.peer, now, take());
  }

  void handle(const intake_queue::datagrams& x, timestamp now) {
    use(x.credit);
    x.block.for_each([&, take = take()](std::string_view message) { at_hand_.records->datagram(message, now, take); });
  }

  void handle(const intake_queue::dropped& x, timestamp) {
    metrics_.received(x.datagrams, 0);
    metrics_.discarded("socket_buffer", x.datagrams);
    notice_.add("socket_buffer", x.datagrams);
  }

  void handle(const intake_queue::finished&, timestamp now) {
    at_hand_.listener.reset();
    at_hand_.records->close_all(now, take());
    notice_.say();
    outlet_.end();
  }

  record_source::take_record take() {
    return [this](const record_view& record) { outlet_.add(record); };
  }

  void use(std::size_t credit) { at_hand_.granted_bytes -= static_cast<std::int64_t>(credit); }

  /// Lets the listener read as much as may be held, and says when there is no more.
  void settle() {
    auto held = at_hand_.bytes();
    auto room = held < config_.window_bytes ? std::min(read_ahead_bytes, config_.window_bytes - held) : 0;
    auto wanted = static_cast<std::int64_t>(room);
    if (at_hand_.listener && wanted > at_hand_.granted_bytes)
      at_hand_.listener->grant(static_cast<std::size_t>(wanted - std::exchange(at_hand_.granted_bytes, wanted)));
  }

  void count() {
    outlet_.count();
    auto found = at_hand_.records->take_counts();
    metrics_.failed(to_string(errc::malformed), found.malformed);
    metrics_.failed(to_string(errc::too_large), found.too_large);
    metrics_.failed("unparsed", found.unparsed);
  }

  /// What comes from now on is not heard any more; what has come is.
  void stop() {
    if (at_hand_.listener)
      at_hand_.listener->finish();
    else
      outlet_.end();
  }

  std::string name_of_listener() const { return to_string(config_.listens_on); }

  source_actor::pointer self_;
  environment& env_;
  intake_config config_;
  intake_state& at_hand_;
  intake_outlet outlet_;
  component_metrics& metrics_;
  drop_notice notice_{self_, "intake"};
};

} // namespace

source_actor spawn_intake(caf::actor_system& system, environment& env, intake_config config, compressor_actor next) {
  return system.spawn<source_actor::stateful_impl<intake_actor_state>>(
    std::ref(env), std::move(config), std::move(next));
}

} // namespace sluice

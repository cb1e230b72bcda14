#include "actors/supervision/supervisor.hpp"

#include <algorithm>
#include <deque>
#include <random>

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/telemetry/counter.hpp>
#include <caf/telemetry/metric_registry.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

using time_point = caf::actor_clock::time_point;

/// How often a child was started again after it had failed.
class restart_count {
public:
  restart_count(caf::actor_system& system, const std::string& actor)
    : total_(system.metrics().counter_instance(
        "sluice", "actor-restarts", {{"actor", actor}}, "Starts of actors after they had failed.", "1", true)) {}

  void increase() noexcept {
    ++value_;
    total_->inc();
  }
  std::uint64_t value() const noexcept { return value_; }

private:
  std::uint64_t value_ = 0;
  caf::telemetry::int_counter* total_; ///< Of all actors of this name in the process.
};

/// One coroutine does everything that takes time; handlers only note what has happened and wake it.
struct supervisor_state {
  static inline const char* name = "supervisor";

  struct child {
    child_spec spec;
    restart_count restarts;
    caf::actor handle{};
    time_point due{};         ///< Not to be started before.
    bool is_ending = false;   ///< It was told to.
    bool has_failed = false;  ///< Since its last start.
    bool is_finished = false; ///< It has ended normally.
  };

  supervisor_state(supervisor_actor::pointer self, std::uint64_t seed, supervisor_config config)
    : self_(self), config_(std::move(config)), random_(seed ^ self->id()), backoff_(config_.backoff), wake_(self) {
    for (auto& spec : config_.children)
      children_.push_back({spec, {self_->system(), spec.name}});
    end_from_ = children_.size();
  }

  ~supervisor_state() {
    // Only after it was killed itself there is still somebody.
    for (auto at = children_.rbegin(); at != children_.rend(); ++at)
      if (at->handle)
        caf::anon_send_exit(at->handle, caf::exit_reason::kill);
  }

  supervisor_actor::behavior_type make_behavior() {
    self_->set_down_handler([this](const caf::down_msg& x) { take_note_of_end(x); });
    self_->set_exit_handler([this](const caf::exit_msg& x) { leave(x.reason); });
    tasks_.spawn(run());
    return {
      [this](children_atom) {
        std::vector<child_status> found;
        for (auto& x : children_)
          found.push_back({x.spec.name, x.handle, x.restarts.value()});
        return found;
      },
    };
  }

  task<void> run() {
    while (!is_leaving_ && !all_finished()) {
      auto* next = next_to_start();
      if (end_from_ < children_.size())
        co_await end_children(std::exchange(end_from_, children_.size()));
      else if (!next)
        co_await wake_.wait();
      else if (auto pause = next->due - self_->clock().now(); pause > pause.zero())
        co_await wake_.wait_for(pause);
      else
        co_await start(*next);
    }
    co_await end_children(0);
    self_->quit(reason_);
  }

  bool all_finished() const {
    return std::all_of(children_.begin(), children_.end(), [](auto& x) { return x.is_finished; });
  }

  /// Of those that should run and do not, the first that is due; where children depend on those before them, the first
  /// of all.
  child* next_to_start() {
    child* found = nullptr;
    for (auto& x : children_) {
      if (x.handle || x.is_finished)
        continue;
      if (!found || (config_.strategy == restart_strategy::one_for_one && x.due < found->due))
        found = &x;
    }
    return found;
  }

  task<void> start(child& x) {
    auto made = co_await x.spec.start(self_, running_);
    if (!made) {
      fail(x, fmt::format("could not be started: {}", made.error().message));
      co_return;
    }
    if (std::exchange(x.has_failed, false))
      x.restarts.increase();
    self_->monitor(*made);
    x.handle = *made;
    running_.set(x.spec.name, x.handle);
    config_.on_change({x.spec.name, x.handle});
  }

  /// Ends the children from the `first` on, one after the other, the last one first.
  task<void> end_children(std::size_t first) {
    for (auto i = children_.size(); i > first; --i) {
      auto& x = children_[i - 1];
      if (!x.handle)
        continue;
      x.is_ending = true;
      self_->send_exit(x.handle, caf::exit_reason::user_shutdown);
      while (x.handle)
        co_await wake_.wait();
    }
  }

  void take_note_of_end(const caf::down_msg& down) {
    auto at = std::find_if(
      children_.begin(), children_.end(), [&](auto& x) { return x.handle && x.handle.address() == down.source; });
    if (at == children_.end())
      return;
    at->handle = nullptr;
    running_.erase(at->spec.name);
    config_.on_change({at->spec.name, nullptr});
    auto was_told = std::exchange(at->is_ending, false);
    if (!down.reason)
      at->is_finished = true;
    else if (!was_told)
      fail(*at, fmt::format("ended: {}", from_caf(down.reason).message));
    wake_.notify();
  }

  /// Decides what becomes of a child that has failed, and of its siblings.
  void fail(child& x, const std::string& what) {
    auto now = self_->clock().now();
    while (!failures_.empty() && now - failures_.front() >= config_.intensity.within)
      failures_.pop_front();
    if (failures_.empty())
      backoff_.reset();
    failures_.push_back(now);
    x.has_failed = true;
    if (failures_.size() > config_.intensity.restarts) {
      escalate(fmt::format("{}: {} {}", config_.name, x.spec.name, what));
      return;
    }
    auto delay = backoff_.next(random_);
    spdlog::warn("{}: {} {}; starting {} again in {} ms, restart {} of at most {} in {} s", config_.name, x.spec.name,
      what, whom(), delay.count(), failures_.size(), config_.intensity.restarts,
      std::chrono::duration_cast<std::chrono::seconds>(config_.intensity.within).count());
    auto [first, last] = affected_by(x);
    for (auto i = first; i < last; ++i)
      children_[i].due = now + delay;
    end_from_ = std::min(end_from_, config_.strategy == restart_strategy::one_for_one ? children_.size() : first);
  }

  std::string_view whom() const {
    switch (config_.strategy) {
    case restart_strategy::one_for_one:
      return "it";
    case restart_strategy::one_for_all:
      return "all";
    case restart_strategy::rest_for_one:
      return "it and what depends on it";
    }
    return {};
  }

  /// From which child to which, without the last one.
  std::pair<std::size_t, std::size_t> affected_by(const child& x) const {
    auto index = static_cast<std::size_t>(&x - children_.data());
    switch (config_.strategy) {
    case restart_strategy::one_for_one:
      return {index, index + 1};
    case restart_strategy::one_for_all:
      return {0, children_.size()};
    case restart_strategy::rest_for_one:
      return {index, children_.size()};
    }
    return {};
  }

  void escalate(const std::string& what) {
    auto text = fmt::format("{}; it was started again {} within {} s, which is the limit", what,
      counted(config_.intensity.restarts, "time"),
      std::chrono::duration_cast<std::chrono::seconds>(config_.intensity.within).count());
    spdlog::error("{}", text);
    leave(to_caf({errc::actor_failed, text}));
  }

  void leave(caf::error reason) {
    if (!std::exchange(is_leaving_, true))
      reason_ = std::move(reason);
    wake_.notify();
  }

  supervisor_actor::pointer self_;
  supervisor_config config_;
  std::mt19937_64 random_;
  backoff backoff_;
  std::vector<child> children_; // addresses are stable
  running_children running_;
  std::size_t end_from_;            ///< The first child that must end because a sibling has failed.
  std::deque<time_point> failures_; ///< Within the last `intensity.within`.
  bool is_leaving_ = false;
  caf::error reason_;
  signal wake_;
  task_scope tasks_;
};

} // namespace

supervisor_actor spawn_supervisor(caf::actor_system& system, std::uint64_t seed, supervisor_config config) {
  return system.spawn<supervisor_actor::stateful_impl<supervisor_state>>(seed, std::move(config));
}

} // namespace sluice

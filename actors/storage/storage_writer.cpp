#include "actors/storage/storage_writer.hpp"

#include <algorithm>
#include <deque>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/telemetry/metric_registry.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/stats/metrics.hpp"
#include "actors/storage/store.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

/// How much is committed at once; more only if a single frame is larger.
constexpr std::size_t max_commit_bytes = 8 * 1024 * 1024;

/// A busy writer waits for this much or this long before the next commit, so that a sync pays for more than one frame.
/// After a pause the first frame is committed at once.
constexpr std::size_t worthwhile_commit_bytes = 1024 * 1024;
constexpr std::chrono::milliseconds commit_interval{5};

/// How often the store is tended, and how often while it is full.
constexpr std::chrono::seconds tending_interval{10};
constexpr std::chrono::seconds full_interval{1};

/// What a storage writer tells beyond what every component does.
struct storage_metrics {
  explicit storage_metrics(caf::telemetry::metric_registry& registry)
    : accepting(registry.gauge_singleton("sluice", "storage-accepting", "1 while frames are stored, 0 while full.")),
      expired_segments(counter(registry, "storage-expired-segments", "Segments that retention has removed.")),
      expired_records(counter(registry, "storage-expired-records", "Records in them.")),
      expired_bytes(counter(registry, "storage-expired-bytes", "Their size on disk.")) {}

  static caf::telemetry::int_counter* counter(
    caf::telemetry::metric_registry& registry, caf::string_view name, caf::string_view help) {
    return registry.counter_singleton("sluice", name, help, "1", true);
  }

  caf::telemetry::int_gauge* accepting;
  caf::telemetry::int_counter* expired_segments;
  caf::telemetry::int_counter* expired_records;
  caf::telemetry::int_counter* expired_bytes;
};

struct storage_writer_state {
  static inline const char* name = "storage-writer";

  struct waiting_frame {
    frame data;
    caf::typed_response_promise<ack> promise;
  };

  struct waiting_hello {
    hello data;
    caf::typed_response_promise<welcome> promise;
  };

  storage_writer_state(storage_writer_actor::pointer self, environment& env, std::shared_ptr<store> opened)
    : self_(self), env_(env), store_(std::move(opened)), metrics_(self->system(), name),
      storage_metrics_(self->system().metrics()), wake_(self) {
    storage_metrics_.accepting->value(1);
  }

  storage_writer_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    return {
      [this](const hello& x) {
        hellos_.push_back({x, self_->make_response_promise<welcome>()});
        wake_.notify();
        return hellos_.back().promise;
      },
      [this](const frame& x) {
        metrics_.received(x.header().stored_records(), x.size());
        hold(x, 1);
        waiting_bytes_ += x.size();
        frames_.push_back({x, self_->make_response_promise<ack>()});
        wake_.notify();
        return frames_.back().promise;
      },
      [this](drain_atom) {
        drain_ = self_->make_response_promise<void>();
        wake_.notify();
        return *drain_;
      },
    };
  }

  /// Commits what waits, as often as something does. The store is used by the executor during a commit and while it is
  /// tended, and by this coroutine otherwise.
  task<void> run() {
    next_tending_ = self_->clock().now() + tending_interval;
    tell_space();
    while (!drain_ || !frames_.empty()) {
      answer_hellos();
      auto pause = next_tending_ - self_->clock().now();
      if (!frames_.empty())
        pause = std::min(pause, time_to_next_commit());
      if (pause > pause.zero())
        co_await wake_.wait_for(pause);
      else if (!drain_ && self_->clock().now() >= next_tending_)
        co_await tend();
      else
        co_await commit();
    }
    answer_hellos();
    auto closed = co_await run_blocking(self_, env_.io, [store = store_] { return store->close(); });
    if (closed)
      drain_->deliver();
    else
      drain_->deliver(to_caf(closed.error()));
    self_->quit();
  }

  caf::timespan time_to_next_commit() const {
    if (drain_ || waiting_bytes_ >= worthwhile_commit_bytes)
      return caf::timespan::zero();
    return last_commit_ + commit_interval - self_->clock().now();
  }

  void answer_hellos() {
    for (auto& x : std::exchange(hellos_, {}))
      x.promise.deliver(store_->greet(x.data));
  }

  task<void> commit() {
    std::vector<frame> group;
    std::vector<caf::typed_response_promise<ack>> promises;
    for (std::size_t bytes = 0;
         !frames_.empty() && (bytes == 0 || bytes + frames_.front().data.size() <= max_commit_bytes);) {
      bytes += frames_.front().data.size();
      waiting_bytes_ -= frames_.front().data.size();
      group.push_back(std::move(frames_.front().data));
      promises.push_back(std::move(frames_.front().promise));
      frames_.pop_front();
    }
    auto before = store_->counters();
    auto results = co_await run_blocking(
      self_, env_.io, [store = store_, group, now = env_.now()] { return store->commit(group, now); });
    last_commit_ = self_->clock().now();
    auto after = store_->counters();
    if (after.segments != before.segments)
      next_tending_ = last_commit_;
    tell_space();
    auto stored = after.records - before.records;
    metrics_.sent(stored, after.bytes - before.bytes);
    std::uint64_t acknowledged = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      acknowledged += results[i] ? group[i].header().stored_records() : 0;
      answer(group[i], promises[i], results[i]);
    }
    if (acknowledged > stored)
      metrics_.discarded("duplicate", acknowledged - stored);
  }

  /// Counts a frame that is waiting for its answer in or out.
  void hold(const frame& x, int sign) {
    metrics_.hold(
      sign * static_cast<std::int64_t>(x.header().stored_records()), sign * static_cast<std::int64_t>(x.size()));
  }

  void answer(const frame& asked, caf::typed_response_promise<ack>& promise, expected<ack>& result) {
    hold(asked, -1);
    if (result) {
      promise.deliver(*result);
      return;
    }
    // Not lost: it was not acknowledged, and its shipper still has it.
    metrics_.failed(result.error().code);
    metrics_.discarded(to_string(result.error().code), asked.header().stored_records());
    complain(result.error());
    promise.deliver(to_caf(result.error()));
  }

  task<void> tend() {
    auto before = store_->counters().expired;
    auto tended =
      co_await run_blocking(self_, env_.io, [store = store_, now = env_.now()] { return store->tend(now); });
    next_tending_ = self_->clock().now() + (store_->full() ? full_interval : tending_interval);
    if (!tended)
      complain(tended.error());
    tell_expired(before, store_->counters().expired);
    tell_space();
  }

  void tell_expired(const expired_segments& before, const expired_segments& after) {
    if (after.segments == before.segments)
      return;
    auto segments = after.segments - before.segments;
    auto records = after.records - before.records;
    auto bytes = after.bytes - before.bytes;
    storage_metrics_.expired_segments->inc(static_cast<std::int64_t>(segments));
    storage_metrics_.expired_records->inc(static_cast<std::int64_t>(records));
    storage_metrics_.expired_bytes->inc(static_cast<std::int64_t>(bytes));
    spdlog::info("storage: retention has removed {} with {}, {}", counted(segments, "segment"),
      counted(records, "record"), counted(bytes, "byte"));
  }

  /// Says when the store becomes full, and when it no longer is.
  void tell_space() {
    const auto& full = store_->full();
    if (full.has_value() == is_full_)
      return;
    is_full_ = full.has_value();
    storage_metrics_.accepting->value(is_full_ ? 0 : 1);
    if (is_full_) {
      next_tending_ = std::min(next_tending_, self_->clock().now() + full_interval);
      spdlog::error("storage: full, nothing is accepted: {}", full->message);
    } else {
      spdlog::info("storage: there is space again, frames are accepted");
    }
  }

  /// Logs a failure unless it repeats the last one, or is told by `tell_space`.
  void complain(const error& reason) {
    if (reason != last_error_ && reason.code != errc::storage_full)
      spdlog::error("storage: {}", reason.message);
    last_error_ = reason;
  }

  storage_writer_actor::pointer self_;
  environment& env_;
  std::shared_ptr<store> store_;
  component_metrics metrics_;
  storage_metrics storage_metrics_;
  bool is_full_ = false; ///< As last told.
  caf::actor_clock::time_point next_tending_;
  std::deque<waiting_frame> frames_;
  std::size_t waiting_bytes_ = 0; ///< In `frames_`.
  caf::actor_clock::time_point last_commit_;
  std::vector<waiting_hello> hellos_;
  std::optional<caf::typed_response_promise<void>> drain_;
  error last_error_;
  signal wake_;
  task_scope tasks_;
};

} // namespace

storage_writer_actor spawn_storage_writer(caf::actor_system& system, environment& env, std::unique_ptr<store> opened) {
  return system.spawn<storage_writer_actor::stateful_impl<storage_writer_state>>(
    std::ref(env), std::shared_ptr<store>{std::move(opened)});
}

} // namespace sluice

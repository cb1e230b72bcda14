#include "actors/storage/storage_writer.hpp"

#include <deque>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/stats/metrics.hpp"
#include "actors/storage/store.hpp"

namespace sluice {

namespace {

/// How much is committed at once; more only if a single frame is larger.
constexpr std::size_t max_commit_bytes = 8 * 1024 * 1024;

/// A busy writer waits for this much or this long before the next commit, so that a sync pays for more than one frame.
/// After a pause the first frame is committed at once.
constexpr std::size_t worthwhile_commit_bytes = 1024 * 1024;
constexpr std::chrono::milliseconds commit_interval{5};

/// How often the age of the active segment is looked at.
constexpr std::chrono::seconds rotation_interval{10};

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
    : self_(self), env_(env), store_(std::move(opened)), metrics_(self->system(), name), wake_(self) {}

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

  /// Commits what waits, as often as something does. The store is used by the executor during a commit, and by this
  /// coroutine otherwise.
  task<void> run() {
    while (!drain_ || !frames_.empty()) {
      answer_hellos();
      if (auto pause = time_to_next_commit(); !frames_.empty() && pause > pause.zero())
        co_await wake_.wait_for(pause);
      else if (!frames_.empty())
        co_await commit();
      else if (!co_await wake_.wait_for(rotation_interval))
        co_await rotate();
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

  task<void> rotate() {
    auto rotated =
      co_await run_blocking(self_, env_.io, [store = store_, now = env_.now()] { return store->rotate_if_due(now); });
    if (!rotated)
      complain(rotated.error());
  }

  /// Logs a failure unless it repeats the last one.
  void complain(const error& reason) {
    if (reason != last_error_)
      spdlog::error("storage: {}", reason.message);
    last_error_ = reason;
  }

  storage_writer_actor::pointer self_;
  environment& env_;
  std::shared_ptr<store> store_;
  component_metrics metrics_;
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

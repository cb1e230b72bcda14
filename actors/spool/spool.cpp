#include "actors/spool/spool.hpp"

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/spool/spool_account.hpp"
#include "actors/spool/spool_job.hpp"
#include "actors/spool/spool_queue.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

/// A commit waits for this much or this long after the last one, so that a sync pays for more than one frame.
constexpr std::size_t worthwhile_commit_bytes = 1024 * 1024;
constexpr std::chrono::milliseconds commit_interval{5};

/// How long it waits after a failure of the disk.
constexpr std::chrono::seconds retry_interval{1};

struct spool_state {
  static inline const char* name = "spool";

  /// A stream on its way through.
  struct route {
    upstream_actor upstream{};          ///< Nobody, if an earlier process has left it.
    std::optional<std::uint64_t> end{}; ///< Where its source has ended.
    bool is_closed = false;             ///< It will not go on.
    std::optional<open_stream> asker{}; ///< Of its source, while that waits for the receiver's answer.
    std::optional<welcome> answer{};    ///< The receiver's.
    std::uint64_t epoch = 0;            ///< That the receiver has been told, or will be.
  };

  spool_state(spool_actor::pointer self, environment& env, spool_config config, shipper_actor next)
    : self_(self), env_(env), config_(std::move(config)), next_(std::move(next)), account_(self, config_.folder),
      started_(self->clock().now()), wake_(self) {}

  spool_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    return {
      [this](const open_stream& x) { later([this, x] { open(x); }); },
      [this](const restart_stream& x) {
        if (passing_.contains(x.stream))
          self_->send(next_, x);
        else
          later([this, x] { set_end(x.stream, std::nullopt); });
      },
      [this](const frame& x) {
        if (passing_.contains(x.header().stream))
          self_->send(next_, x);
        else
          take(x);
      },
      [this](const end_stream& x) {
        if (passing_.contains(x.stream))
          self_->send(next_, x);
        else
          later([this, x] { set_end(x.stream, x.position); });
      },
      [this](const close_stream& x) {
        if (passing_.erase(x.stream) > 0)
          self_->send(next_, x);
        else
          later([this, x] { close(x.stream); });
      },
      [this](end_of_input_atom) { later([this] { input_ended_ = true; }); },
      [this](const welcome& x) { later([this, x] { resume(x); }); },
      [this](const ack& x) { later([this, x] { settle(x); }); },
      [this](status_atom) { return status(); },
      [this](flush_atom) {
        auto promise = self_->make_response_promise<void>();
        if (is_finished_)
          promise.deliver();
        else
          later([this, promise] { flushes_.push_back(promise); });
        return promise;
      },
      [this](drain_atom) {
        drain_ = self_->make_response_promise<ship_status>();
        self_->request(next_, caf::infinite, drain_atom_v)
          .then([this](ship_status& x) { later([this, x = std::move(x)] { drained_ = x; }); },
            [this](caf::error& reason) { answer_drain(std::move(reason)); });
        wake_.notify();
        return *drain_;
      },
    };
  }

  /// Alternates between what has come and the disk. The log is used by the executor during a job, and by this
  /// coroutine otherwise.
  task<void> run() {
    auto opened = co_await open_log();
    if (!opened) {
      self_->quit(to_caf(opened.error()));
      co_return;
    }
    log_ = std::move(*opened);
    take_over();
    for (;;) {
      for (auto& event : std::exchange(events_, {}))
        event();
      tell_ends();
      account_.publish(*log_);
      answer_those_who_wait();
      if (drained_ && log_->is_all_acknowledged()) {
        co_await finish();
        co_return;
      }
      if (drained_) // but for what is stuck
        answer_drain(std::move(*std::exchange(drained_, std::nullopt)));
      auto job = plan();
      if (!job.is_nothing())
        settle(job,
          co_await run_blocking(self_, env_.io, [log = log_, job, window = config_.window_bytes, now = env_.now()] {
            return perform(*log, job, window, now);
          }));
      else
        co_await rest();
    }
  }

  task<expected<std::unique_ptr<spool_log>>> open_log() {
    constexpr std::chrono::milliseconds pause{50};
    if (config_.opened && *config_.opened)
      co_return std::move(*config_.opened);
    for (auto waited = 0 * pause;; waited += pause) {
      auto opened = co_await run_blocking(
        self_, env_.io, [&files = env_.files, folder = config_.folder, limits = config_.limits, now = env_.now()] {
          return spool_log::open(files, folder, limits, now);
        });
      if (opened || opened.error().code != errc::locked || waited >= config_.lock_patience)
        co_return opened;
      co_await sleep_for(self_, pause);
    }
  }

  /// Greets the streams that an earlier process has left.
  void take_over() {
    if (auto& cut = log_->recovery().cut)
      spdlog::warn("spool: cut {} off: {}", counted(cut->bytes, "byte"), to_string(cut->where));
    auto& left = log_->waiting();
    if (!log_->found().empty())
      spdlog::info("spool {}: an earlier process has left {} ({}) of {}; what of them is not yet "
                   "acknowledged is shipped first",
        config_.folder.string(), counted(left.records, "record"), counted(left.bytes, "byte"),
        counted(log_->found().size(), "stream"));
    account_.find(left);
    for (auto& [id, labels] : log_->found()) {
      auto& made = streams_[id] = {.end = log_->last(id).position, .is_closed = true};
      ending_.insert(id);
      announce(made, {id, labels, nullptr, false, 0, log_->first_epoch(id)});
    }
    if (config_.give_up_after)
      patience_ = run_later(self_, *config_.give_up_after, [this] { wake_.notify(); });
  }

  // -- what comes -------------------------------------------------------------

  /// Does it when nobody else uses the log.
  template <class F>
  void later(F event) {
    events_.emplace_back(std::move(event));
    wake_.notify();
  }

  void open(const open_stream& x) {
    auto is_known = streams_.contains(x.stream);
    if (x.rereadable && !config_.takes_all && !is_known) {
      passing_.insert(x.stream);
      self_->send(next_, x);
      return;
    }
    auto& to = streams_[x.stream];
    to.upstream = caf::actor_cast<upstream_actor>(x.upstream);
    to.end.reset();
    to.is_closed = false;
    ending_.erase(x.stream);
    if (!is_known)
      announce(to, x);
    auto has_forgotten = log_->last(x.stream).position < x.begins_at; // for all of it was acknowledged
    if (!x.rereadable && !has_forgotten) {
      self_->send(to.upstream, welcome{x.stream, log_->last(x.stream)});
    } else {
      to.asker = x;
      answer_asker(to);
    }
  }

  /// What the spool has let go of, some store has: that is told to receivers which have it not.
  void announce(route& which, open_stream x) {
    which.epoch = x.epoch;
    x.acked = log_->acked(x.stream);
    x.store = log_->identity();
    x.upstream = self_->ctrl();
    self_->send(next_, std::move(x));
  }

  /// Tells a source where to go on. Where it joins what is not here but at the receiver, nothing else may join there
  /// any more: the receiver has to know of the source's epoch first, for what is spooled cannot be made again.
  void answer_asker(route& to) {
    if (!to.asker || !to.answer)
      return;
    auto id = to.asker->stream;
    auto is_safe = to.answer->last.epoch >= to.asker->epoch || !log_->is_acknowledged(id);
    if (is_safe) {
      self_->send(to.upstream, welcome{id, log_->adopt(*to.answer)});
      to.asker.reset();
    } else if (to.epoch < to.asker->epoch) {
      announce(to, *to.asker);
    }
  }

  void take(const frame& x) {
    account_.queue({x.header().stored_records(), x.header().source_bytes()});
    queue_.push(x);
    wake_.notify();
  }

  void set_end(const stream_id& id, std::optional<std::uint64_t> position) {
    auto found = streams_.find(id);
    if (found == streams_.end())
      return;
    found->second.end = position;
    if (position)
      ending_.insert(id);
    else
      ending_.erase(id);
  }

  void close(const stream_id& id) {
    if (auto found = streams_.find(id); found != streams_.end()) {
      found->second.is_closed = true;
      close_if_done(id);
    }
  }

  void resume(const welcome& x) {
    auto found = streams_.find(x.stream);
    if (found == streams_.end())
      return;
    connected_ = may_read_ = true;
    log_->resume(x.stream, x.last);
    self_->send(next_, restart_stream{x.stream, x.last});
    found->second.answer = x;
    answer_asker(found->second);
    if (found->second.end)
      ending_.insert(x.stream);
  }

  void settle(const ack& x) {
    if (!streams_.contains(x.stream))
      return;
    may_read_ = may_drop_ = true;
    log_->acknowledge(x.stream, x.last);
    close_if_done(x.stream);
  }

  // -- what goes on -----------------------------------------------------------

  /// What to do with the log now, if anything.
  spool_job plan() {
    spool_job made;
    if (time_to_retry() > caf::timespan::zero())
      return made;
    made.reads = may_read_ && log_->handed_on_bytes() < config_.window_bytes;
    if (time_to_next_commit() > caf::timespan::zero())
      return made;
    auto drops_newest = config_.when_full == spool_overflow::drop_newest;
    auto next = queue_.take(*log_, {.are_kept = !input_ended_, .drop = drops_newest}, env_.now());
    if (next.dropped.records > 0)
      account_.drop_from_queue(gap_reason::drop_newest, next.dropped);
    made.frames = std::move(next.frames);
    made.drops =
      config_.when_full == spool_overflow::drop_oldest && may_drop_ && made.frames.empty() && !queue_.empty();
    return made;
  }

  caf::timespan time_to_retry() const { return retry_at_ - self_->clock().now(); }

  caf::timespan time_to_next_commit() const {
    if (input_ended_ || queue_.bytes() >= worthwhile_commit_bytes)
      return caf::timespan::zero();
    return last_commit_ + commit_interval - self_->clock().now();
  }

  /// Until there may be something to do.
  task<void> rest() {
    auto pause = time_to_retry();
    auto drops = config_.when_full == spool_overflow::drop_newest;
    if (!queue_.empty() && (drops || input_ended_ || log_->has_room(queue_.front().size())))
      pause = std::max(pause, time_to_next_commit());
    if (pause > caf::timespan::zero())
      co_await wake_.wait_for(pause);
    else
      co_await wake_.wait();
  }

  void settle(spool_job& job, spool_outcome result) {
    may_read_ = log_->handed_on_bytes() >= config_.window_bytes || !job.reads;
    if (!job.frames.empty())
      last_commit_ = self_->clock().now();
    settle_writes(job, result);
    if (!result.dropped) {
      fail_for_now(result.dropped.error());
    } else if (job.drops) {
      may_drop_ = result.dropped->records > 0;
      account_.drop_from_disk(gap_reason::drop_oldest, *result.dropped);
    }
    if (!result.out) {
      fail_for_now(result.out.error());
    } else {
      for (auto& x : *result.out)
        self_->send(next_, std::move(x));
    }
    if (!result.reclaimed)
      complain(result.reclaimed.error());
  }

  /// Tells sources what is durable, and keeps what is not.
  void settle_writes(spool_job& job, const spool_outcome& result) {
    std::unordered_map<stream_id, stream_point> durable;
    spool_content done;
    for (auto i = job.frames.size(); i-- > 0;) {
      auto& header = job.frames[i].header();
      auto& answer = result.answers[i];
      if (!answer && (answer.error().code == errc::sequence_gap || answer.error().code == errc::stale_epoch)) {
        self_->quit(to_caf(answer.error()));
        return;
      }
      if (!answer) {
        fail_for_now(answer.error());
        queue_.put_back(std::move(job.frames[i]));
        continue;
      }
      durable.try_emplace(header.stream, answer->last);
      done.add({header.stored_records(), header.source_bytes()});
      queue_.settle(job.frames[i]);
    }
    account_.settle(done, result.written);
    for (auto& [id, last] : durable)
      if (auto found = streams_.find(id); found != streams_.end() && found->second.upstream)
        self_->send(found->second.upstream, ack{id, last});
  }

  void fail_for_now(const error& reason) {
    account_.failed(reason.code);
    retry_at_ = self_->clock().now() + retry_interval;
    may_read_ = true;
    complain(reason);
  }

  /// Logs a failure unless it repeats the last one.
  void complain(const error& reason) {
    if (reason != last_error_)
      spdlog::error("spool {}: {}; trying again", config_.folder.string(), reason.message);
    last_error_ = reason;
  }

  /// Ends the streams of which all is handed on.
  void tell_ends() {
    std::vector<stream_id> told;
    std::erase_if(ending_, [&](const stream_id& id) {
      auto handed_on = log_->handed_on_to(id);
      if (!handed_on || std::max(log_->last(id).position, *handed_on) < *streams_.at(id).end)
        return false;
      self_->send(next_, end_stream{id, *handed_on});
      told.push_back(id);
      return true;
    });
    for (auto& id : told)
      close_if_done(id);
    if (input_ended_ && queue_.empty() && ending_.empty() && !std::exchange(end_is_told_, true))
      self_->send(next_, end_of_input_atom_v);
  }

  void close_if_done(const stream_id& id) {
    if (!streams_.at(id).is_closed || ending_.contains(id) || !log_->is_acknowledged(id))
      return;
    self_->send(next_, close_stream{id});
    log_->forget(id);
    streams_.erase(id);
  }

  // -- what others want to know -----------------------------------------------

  caf::typed_response_promise<ship_status> status() {
    auto promise = self_->make_response_promise<ship_status>();
    self_->request(next_, caf::infinite, status_atom_v)
      .then(
        [this, promise](ship_status& x) mutable {
          x.spool = account_.status();
          promise.deliver(std::move(x));
        },
        [promise](caf::error& reason) mutable { promise.deliver(std::move(reason)); });
    return promise;
  }

  void answer_those_who_wait() {
    if (!input_ended_ || !queue_.empty())
      return;
    for (auto& x : std::exchange(flushes_, {}))
      x.deliver();
    auto is_out_of_patience =
      !connected_ && config_.give_up_after && self_->clock().now() >= started_ + *config_.give_up_after;
    if (drain_ && is_out_of_patience)
      self_->request(next_, caf::infinite, status_atom_v)
        .then([this](ship_status& x) { answer_drain(std::move(x)); },
          [this](caf::error& reason) { answer_drain(std::move(reason)); });
  }

  void answer_drain(ship_status x) {
    account_.say_dropped();
    x.spool = account_.status();
    if (drain_)
      drain_->deliver(std::move(x));
    drain_.reset();
  }

  void answer_drain(caf::error reason) {
    if (drain_)
      drain_->deliver(std::move(reason));
    drain_.reset();
  }

  /// Leaves an empty folder.
  task<void> finish() {
    auto cleared = co_await run_blocking(self_, env_.io, [log = log_] { return log->clear(); });
    if (!cleared)
      complain(cleared.error());
    is_finished_ = true;
    account_.publish(*log_);
    answer_drain(std::move(*drained_));
  }

  spool_actor::pointer self_;
  environment& env_;
  spool_config config_;
  shipper_actor next_;
  spool_account account_;
  caf::actor_clock::time_point started_, last_commit_, retry_at_;
  std::shared_ptr<spool_log> log_;
  std::vector<std::function<void()>> events_; ///< What has come and needs the log.
  spool_queue queue_;
  std::unordered_map<stream_id, route> streams_;
  std::unordered_set<stream_id> passing_; ///< Not spooled.
  std::unordered_set<stream_id> ending_;  ///< Have an end that the shipper has not been told.
  bool may_read_ = false;                 ///< There may be frames that can be handed on.
  bool may_drop_ = true;                  ///< There may be frames that can be dropped.
  bool connected_ = false;                ///< A receiver has answered.
  bool input_ended_ = false;
  bool end_is_told_ = false;
  bool is_finished_ = false;
  std::optional<caf::typed_response_promise<ship_status>> drain_;
  std::optional<ship_status> drained_; ///< What the shipper has said to that.
  std::vector<caf::typed_response_promise<void>> flushes_;
  error last_error_;
  caf::disposable patience_;
  signal wake_;
  task_scope tasks_;
};

} // namespace

spool_actor spawn_spool(caf::actor_system& system, environment& env, spool_config config, shipper_actor next) {
  return system.spawn<spool_actor::stateful_impl<spool_state>>(std::ref(env), std::move(config), std::move(next));
}

} // namespace sluice

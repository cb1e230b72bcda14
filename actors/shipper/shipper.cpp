#include "actors/shipper/shipper.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <unordered_map>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/runtime/link_mailbox.hpp"
#include "actors/shipper/answer_watch.hpp"
#include "actors/shipper/checkpoints.hpp"
#include "actors/shipper/failover.hpp"
#include "actors/shipper/outbound_stream.hpp"
#include "actors/shipper/shipper_metrics.hpp"
#include "actors/shipper/shipper_phase.hpp"
#include "actors/stats/metrics.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

/// What a peer may send before it was taken note of: 64 acks, which come one per frame at most.
constexpr std::size_t link_credit_bytes = 256 * 1024;

struct shipper_state {
  static inline const char* name = "shipper";

  using phase = shipper_phase;
  using outbound = outbound_stream;

  shipper_state(shipper_actor::pointer self, environment& env, shipper_config config)
    : self_(self), env_(env), config_(std::move(config)), receivers_(config_.to, config_.retry),
      metrics_(self->system(), name), own_metrics_(self->system()), random_(env.seed ^ self->id()),
      started_(self->clock().now()), wake_(self), save_(self) {}

  shipper_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    tasks_.spawn(keep_checkpoints());
    return {
      [this](const open_stream& x) {
        auto [at, is_new] = streams_.try_emplace(x.stream, outbound{x.stream, stream_window{config_.epoch}});
        at->second.upstream = caf::actor_cast<upstream_actor>(x.upstream);
        if (is_new)
          go_on_from_checkpoint(at->second);
        auto is_newer = x.epoch > at->second.epoch;
        at->second.epoch = std::max(at->second.epoch, x.epoch);
        if (link_is_open_ && (is_new || is_newer))
          greet(at->second);
      },
      [this](const restart_stream& x) {
        if (auto* stream = find(x.stream))
          restart(*stream, x.last);
      },
      [this](const frame& x) { take(x); },
      [this](const end_stream& x) {
        if (auto* stream = find(x.stream))
          stream->end = x.position;
        answer_drain_if_done();
      },
      [this](const close_stream& x) { forget(x.stream); },
      [this](end_of_input_atom) {
        input_ended_ = true;
        answer_drain_if_done();
      },
      [this](const link_event& x) {
        if (x.link == link_number_)
          std::visit([this](auto& event) { handle(event); }, x.what);
      },
      [this](status_atom) { return status(); },
      [this](drain_atom) {
        auto promise = self_->make_response_promise<ship_status>();
        drain_ = promise;
        answer_drain_if_done();
        return promise;
      },
    };
  }

  // -- the life of a shipper --------------------------------------------------

  task<void> run() {
    co_await load_checkpoints();
    for (;;) {
      enter(phase::connecting);
      if (co_await connect()) {
        enter(phase::handshaking);
        co_await stream();
      }
      disconnect();
      if (phase_ == phase::failed || gives_up())
        co_return;
      if (auto pause = receivers_.next(random_, last_error_.code); pause > pause.zero()) {
        enter(phase::backing_off);
        co_await sleep_for(self_, std::min<caf::timespan>(pause, time_left()));
      }
    }
  }

  task<bool> connect() {
    link_is_open_ = link_is_closed_ = false;
    notice_.reset();
    queued_bytes_ = 0;
    link_ = env_.net.connect(receivers_.current(), config_.link);
    link_->start(std::make_shared<link_mailbox<shipper_actor>>(caf::actor_cast<shipper_actor>(self_), ++link_number_));
    link_->grant(link_credit_bytes);
    while (!link_is_open_ && !link_is_closed_)
      co_await wake_.wait();
    own_metrics_.connected(receivers_.current(), link_is_open_ ? errc::none : last_error_.code);
    co_return link_is_open_;
  }

  void disconnect() {
    link_.reset();
    link_is_open_ = false;
    ++link_number_; // what it has said last and is not read yet counts no more
    watch_.reset();
    for (auto& [id, x] : streams_)
      x.owed = 0;
  }

  /// Greets all streams, and sends what the window and the link allow, until the link is closed or its peer owes an
  /// answer for too long.
  task<void> stream() {
    sendable_.clear();
    for (auto& [id, x] : streams_) {
      x.greeted = x.sendable = false;
      greet(x);
    }
    while (!link_is_closed_ && phase_ != phase::failed) {
      auto patience = watch_.last_move() + config_.request_timeout - self_->clock().now();
      if (!sendable_.empty() && queued_bytes_ < config_.max_queued_bytes)
        send_one();
      else if (!watch_.is_owed())
        co_await wake_.wait();
      else if (patience > patience.zero())
        co_await wake_.wait_for(patience);
      else
        take_for_dead();
    }
  }

  void take_for_dead() {
    link_is_closed_ = true;
    complain({errc::timed_out, fmt::format("{}: owes an answer for too long", address())});
  }

  /// Takes note of how many answers the receiver owes for a stream.
  void recount(outbound& x) {
    if (!link_is_open_)
      return;
    auto before = std::exchange(x.owed, x.window.carried() + (x.greeted ? 0 : 1));
    watch_.change(before, x.owed, self_->clock().now());
  }

  /// Until the shipper gives up.
  caf::timespan time_left() const {
    if (config_.totals->was_connected || !config_.give_up_after)
      return caf::timespan::max();
    return started_ + *config_.give_up_after - self_->clock().now();
  }

  bool gives_up() {
    if (time_left() > caf::timespan::zero())
      return false;
    fail_for_good(last_error_);
    return true;
  }

  void enter(phase next) {
    auto changes_health = (phase_ == phase::streaming) != (next == phase::streaming);
    phase_ = next;
    own_metrics_.enter(to_string(next));
    spdlog::log(
      changes_health ? spdlog::level::info : spdlog::level::debug, "shipper: {} {}", address(), to_string(next));
  }

  std::string address() const { return to_string(receivers_.current()); }

  void fail_for_good(error reason) {
    last_error_ = std::move(reason);
    enter(phase::failed);
    wake_.notify();
    answer_drain_if_done();
  }

  // -- what comes from the source ---------------------------------------------

  void take(const frame& made) {
    auto& header = made.header();
    auto* stream = find(header.stream);
    metrics_.received(header.stored_records(), header.source_bytes());
    // A frame that does not follow was made before its source was told to start over; it is made again.
    if (!stream || !stream->window.push(made)) {
      metrics_.discarded("made_again", header.stored_records());
      return;
    }
    held_.add(header);
    metrics_.in_flight(held_.records, held_.bytes);
    stream->end.reset();
    offer(*stream);
  }

  outbound* find(const stream_id& id) {
    auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
  }

  void restart(outbound& stream, const stream_point& from) {
    stream.end.reset();
    stream_window::change changed;
    if (stream.window.restart(from, changed) == stream_window::restart_result::elsewhere)
      self_->send(stream.upstream, welcome{stream.id, stream.window.acked(), stream.store});
    count(stream, changed);
  }

  void forget(const stream_id& id) {
    auto* stream = find(id);
    if (!stream || stream->window.held().frames > 0)
      return;
    std::erase(sendable_, stream);
    watch_.change(stream->owed, 0, self_->clock().now());
    known_.erase(id);
    streams_.erase(id);
    answer_drain_if_done();
  }

  // -- what comes from the link -----------------------------------------------

  void handle(const link_event::opened&) {
    link_is_open_ = true;
    wake_.notify();
  }

  void handle(const link_event::sent& x) {
    queued_bytes_ -= x.bytes;
    watch_.moved(self_->clock().now());
    wake_.notify();
  }

  void handle(const link_event::closed& x) {
    link_is_closed_ = true;
    complain(notice_ ? *notice_ : x.reason);
    wake_.notify();
  }

  void handle(const link_event::received& x) {
    if (auto* answer = std::get_if<welcome>(&x.message))
      resume(*answer);
    else if (auto* done = std::get_if<ack>(&x.message))
      settle(*done);
    else if (auto* word = std::get_if<notice>(&x.message))
      hear(*word);
    link_->grant(x.bytes);
  }

  void resume(const welcome& x) {
    auto* to = find(x.stream);
    if (!to)
      return;
    auto before = to->window.acked().position;
    stream_window::change changed;
    to->greeted = config_.totals->was_connected = true;
    watch_.moved(self_->clock().now());
    answering_store_ = x.store;
    if (phase_ != phase::streaming)
      enter(phase::streaming);
    switch (to->window.resume(x.last, changed)) {
    case stream_window::resumption::resend:
      offer(*to);
      break;
    case stream_window::resumption::start_over:
      to->end.reset();
      self_->send(to->upstream, x);
      break;
    case stream_window::resumption::fenced:
      fail_for_good({errc::stale_epoch,
        fmt::format("{}: stream {} belongs to a newer shipper now; this one stops", address(), to_string(x.stream))});
      break;
    }
    count(*to, changed);
    if (to->window.acked().position != before) // else it has only agreed to what another store has
      remember(*to);
    if (held_.frames == 0)
      receivers_.succeeded(); // a welcome alone is no success: a full store gives it too
    answer_drain_if_done();
  }

  void settle(const ack& x) {
    auto* to = find(x.stream);
    if (!to || !to->greeted)
      return;
    count(*to, to->window.acknowledge(x.last));
    if (!to->window.in_step()) {
      spdlog::warn("shipper: {}: stream {} is fed by another shipper at the same time; asking where it stands",
        address(), to_string(x.stream));
      greet(*to);
    }
    answer_drain_if_done();
  }

  void count(outbound& to, const stream_window::change& x) {
    recount(to);
    held_.frames -= x.acked.frames + x.discarded.frames;
    held_.records -= x.acked.records + x.discarded.records;
    held_.bytes -= x.acked.bytes + x.discarded.bytes;
    metrics_.in_flight(held_.records, held_.bytes);
    if (x.discarded.records > 0)
      metrics_.discarded("made_again", x.discarded.records);
    if (x.acked.frames == 0)
      return;
    watch_.moved(self_->clock().now());
    remember(to);
    receivers_.succeeded();
    for (auto sent : x.sent_first)
      own_metrics_.acknowledged(self_->clock().now() - sent);
    config_.totals->acked_records += x.acked.records;
    config_.totals->acked_bytes += x.acked.bytes;
    metrics_.sent(x.acked.records, x.acked.bytes);
    self_->send(to.upstream, ack{to.id, to.window.acked()});
  }

  void hear(const notice& x) {
    notice_ = error{x.reason.code, fmt::format("{}: {}", address(), x.reason.message)};
    if (!x.closing)
      complain(*notice_);
  }

  // -- what goes to the link --------------------------------------------------

  void greet(outbound& to) {
    to.greeted = false;
    queued_bytes_ += link_->send(hello{to.id, to.window.acked(), to.store, to.epoch});
    recount(to);
    wake_.notify();
  }

  void offer(outbound& to) {
    if (to.greeted && !to.sendable && to.window.unsent()) {
      to.sendable = true;
      sendable_.push_back(&to);
      wake_.notify();
    }
  }

  /// Sends a frame of the stream that has waited longest.
  void send_one() {
    auto& from = *sendable_.front();
    sendable_.pop_front();
    from.sendable = false;
    auto* next = from.window.unsent();
    if (!from.greeted || !next)
      return;
    config_.totals->sent_bytes += next->size();
    queued_bytes_ += link_->send(*next);
    from.window.mark_sent(self_->clock().now());
    recount(from);
    offer(from);
  }

  // -- what outlives the process ------------------------------------------------

  task<void> load_checkpoints() {
    if (config_.checkpoints.empty())
      co_return;
    auto read = co_await run_blocking(
      self_, env_.io, [&files = env_.files, where = config_.checkpoints] { return checkpoints::read(files, where); });
    if (read)
      known_ = std::move(*read);
    else
      spdlog::warn("shipper: {}; going on without what it says", read.error().message);
    for (auto& [id, x] : streams_)
      go_on_from_checkpoint(x);
  }

  /// Before the stream is greeted for the first time.
  void go_on_from_checkpoint(outbound& x) {
    if (auto* found = known_.find(x.id)) {
      x.window = stream_window{config_.epoch, found->last};
      x.store = found->store;
    }
  }

  /// The connection's store has acknowledged the stream as far as the window says.
  void remember(outbound& x) {
    x.store = answering_store_;
    if (!config_.checkpoints.empty() && known_.set(x.id, {x.window.acked(), x.store}))
      save_.notify();
  }

  /// Saves what has changed, now and then, and at once before the drain is answered.
  task<void> keep_checkpoints() {
    for (auto last = self_->clock().now() - config_.checkpoint_interval;;) {
      co_await save_.wait();
      for (auto due = last + config_.checkpoint_interval; !drains() && self_->clock().now() < due;)
        co_await save_.wait_for(due - self_->clock().now());
      do
        co_await save_checkpoints();
      while (drains() && known_.changed());
      last = self_->clock().now();
      if (drains())
        std::exchange(drain_, std::nullopt)->deliver(status());
    }
  }

  /// Other processes of the agent have the file for moments only.
  task<void> save_checkpoints() {
    constexpr int attempts = 50;
    constexpr std::chrono::milliseconds pause{20};
    auto changed = known_.take_changes();
    if (changed.empty())
      co_return;
    expected<void> saved;
    for (int i = 0; i < attempts; ++i) {
      if (i > 0)
        co_await sleep_for(self_, pause);
      saved = co_await run_blocking(self_, env_.io, [&files = env_.files, where = config_.checkpoints, changed] {
        return checkpoints::update(files, where, changed);
      });
      if (saved || saved.error().code != errc::locked)
        break;
    }
    if (saved)
      co_return;
    known_.put_back(changed);
    spdlog::warn("shipper: {}; a restart will have to ask the receivers", saved.error().message);
  }

  // -- what others want to know -----------------------------------------------

  bool all_acknowledged() const {
    return std::all_of(streams_.begin(), streams_.end(), [](auto& entry) { return entry.second.is_done(); });
  }

  void answer_drain_if_done() {
    if (drain_ && phase_ == phase::failed)
      std::exchange(drain_, std::nullopt)->deliver(to_caf(last_error_));
    else if (drains())
      save_.notify();
  }

  /// Whether all is done, and somebody waits to hear it.
  bool drains() const { return drain_ && phase_ != phase::failed && input_ended_ && all_acknowledged(); }

  ship_status status() const {
    auto& totals = *config_.totals;
    auto holds = [](auto& entry) { return entry.second.window.held().frames > 0; };
    return {
      .state = to_string(phase_),
      .was_connected = totals.was_connected,
      .streams = streams_.size(),
      .acked_records = totals.acked_records,
      .acked_bytes = totals.acked_bytes,
      .sent_bytes = totals.sent_bytes,
      .pending_streams = static_cast<std::uint64_t>(std::count_if(streams_.begin(), streams_.end(), holds)),
      .pending_frames = held_.frames,
      .pending_records = held_.records,
      .pending_bytes = held_.bytes,
      .last_error = last_error_,
    };
  }

  /// Logs a failure unless it repeats the last one.
  void complain(error reason) {
    metrics_.failed(reason.code);
    if (reason != last_error_)
      spdlog::warn("shipper: {}; trying again", reason.message);
    last_error_ = std::move(reason);
  }

  shipper_actor::pointer self_;
  environment& env_;
  shipper_config config_;
  failover receivers_;
  component_metrics metrics_;
  shipper_metrics own_metrics_;
  std::mt19937_64 random_;
  caf::actor_clock::time_point started_;
  phase phase_ = phase::connecting;
  bool input_ended_ = false;
  error last_error_;
  std::unordered_map<stream_id, outbound> streams_; // addresses are stable
  std::deque<outbound*> sendable_;                  ///< Streams with a frame to send, longest waiting first.
  std::optional<caf::typed_response_promise<ship_status>> drain_;
  stream_window::content held_; ///< Over all streams.
  checkpoints known_;
  // The present link.
  std::unique_ptr<link> link_;
  std::uint64_t link_number_ = 0;
  bool link_is_open_ = false, link_is_closed_ = false;
  std::optional<error> notice_;  ///< What the peer has said before it closes.
  std::size_t queued_bytes_ = 0; ///< As `link::send` and `on_sent` count them.
  answer_watch watch_;
  id128 answering_store_{};
  signal wake_, save_;
  task_scope tasks_;
};

} // namespace

shipper_actor spawn_shipper(caf::actor_system& system, environment& env, shipper_config config) {
  return system.spawn<shipper_actor::stateful_impl<shipper_state>>(std::ref(env), std::move(config));
}

} // namespace sluice

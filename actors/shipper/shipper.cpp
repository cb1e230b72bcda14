#include "actors/shipper/shipper.hpp"

#include <algorithm>
#include <random>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/runtime/link_mailbox.hpp"
#include "actors/shipper/checkpoint_keeper.hpp"
#include "actors/shipper/failover.hpp"
#include "actors/shipper/outbound_table.hpp"
#include "actors/shipper/shipper_metrics.hpp"
#include "actors/shipper/shipper_phase.hpp"

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
      metrics_(self->system(), config_.totals), random_(env.seed ^ self->id()), started_(now()),
      streams_(config_.epoch), checkpoints_(self, env, config_.checkpoints), wake_(self), save_(self) {}

  shipper_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    tasks_.spawn(keep_checkpoints());
    return {
      [this](const open_stream& x) { open(x); },
      [this](const restart_stream& x) {
        if (auto* stream = streams_.find(x.stream))
          restart(*stream, x.last);
      },
      [this](const frame& x) { take(x); },
      [this](const end_stream& x) {
        if (auto* stream = streams_.find(x.stream))
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
    co_await checkpoints_.load();
    for (auto& [id, x] : streams_)
      go_on_from_checkpoint(x);
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
    metrics_.connected(receivers_.current(), link_is_open_ ? errc::none : last_error_.code);
    co_return link_is_open_;
  }

  void disconnect() {
    link_.reset();
    link_is_open_ = false;
    ++link_number_; // what it has said last and is not read yet counts no more
    streams_.disconnect();
  }

  /// Greets all streams, and sends what the window and the link allow, until the link is closed or its peer owes an
  /// answer for too long.
  task<void> stream() {
    for (auto& [id, x] : streams_)
      greet(x);
    while (!link_is_closed_ && phase_ != phase::failed) {
      auto owed_since = streams_.owed_since();
      auto* next = queued_bytes_ < config_.max_queued_bytes ? streams_.take_sendable() : nullptr;
      if (next)
        send_from(*next);
      else if (!owed_since)
        co_await wake_.wait();
      else if (auto patience = *owed_since + config_.request_timeout - now(); patience > patience.zero())
        co_await wake_.wait_for(patience);
      else
        take_for_dead();
    }
  }

  void take_for_dead() {
    link_is_closed_ = true;
    complain({errc::timed_out, fmt::format("{}: owes an answer for too long", address())});
  }

  /// Until the shipper gives up.
  caf::timespan time_left() const {
    if (config_.totals->was_connected || !config_.give_up_after)
      return caf::timespan::max();
    return started_ + *config_.give_up_after - now();
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
    metrics_.enter(to_string(next));
    spdlog::log(
      changes_health ? spdlog::level::info : spdlog::level::debug, "shipper: {} {}", address(), to_string(next));
  }

  caf::actor_clock::time_point now() const { return self_->clock().now(); }

  std::string address() const { return to_string(receivers_.current()); }

  void fail_for_good(error reason) {
    last_error_ = std::move(reason);
    enter(phase::failed);
    wake_.notify();
    answer_drain_if_done();
  }

  // -- what comes from the source ---------------------------------------------

  void open(const open_stream& x) {
    auto [stream, is_new] = streams_.add(x.stream);
    stream.upstream = caf::actor_cast<upstream_actor>(x.upstream);
    if (is_new)
      go_on_after_what_is_known(stream, x);
    auto is_newer = x.epoch > stream.epoch;
    stream.epoch = std::max(stream.epoch, x.epoch);
    if (link_is_open_ && (is_new || is_newer))
      greet(stream);
  }

  void take(const frame& made) {
    auto& header = made.header();
    auto* stream = streams_.find(header.stream);
    metrics_.received(header);
    // A frame that does not follow was made before its source was told to start over; it is made again.
    if (!stream || !streams_.push(*stream, made))
      return metrics_.discarded(header.stored_records());
    metrics_.holds(streams_.held());
    offer(*stream);
  }

  void restart(outbound& stream, const stream_point& from) {
    stream.end.reset();
    stream_window::change changed;
    if (stream.window.restart(from, changed) == stream_window::restart_result::elsewhere)
      self_->send(stream.upstream, welcome{stream.id, stream.window.acked(), stream.store});
    count(stream, changed);
  }

  void forget(const stream_id& id) {
    auto* stream = streams_.find(id);
    if (!stream || stream->window.held().frames > 0)
      return;
    checkpoints_.erase(id);
    streams_.forget(*stream, now());
    answer_drain_if_done();
  }

  // -- what comes from the link -----------------------------------------------

  void handle(const link_event::opened&) {
    link_is_open_ = true;
    streams_.connect();
    wake_.notify();
  }

  void handle(const link_event::sent& x) {
    queued_bytes_ -= x.bytes;
    streams_.moved(now());
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
    auto* to = streams_.find(x.stream);
    if (!to)
      return;
    auto before = to->window.acked().position;
    stream_window::change changed;
    to->greeted = config_.totals->was_connected = true;
    streams_.moved(now());
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
    if (streams_.held().frames == 0)
      receivers_.succeeded(); // a welcome alone is no success: a full store gives it too
    answer_drain_if_done();
  }

  void settle(const ack& x) {
    auto* to = streams_.find(x.stream);
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
    streams_.settle(to, x, now());
    metrics_.settled(x, now());
    metrics_.holds(streams_.held());
    if (x.acked.frames == 0)
      return;
    remember(to);
    receivers_.succeeded();
    self_->send(to.upstream, ack{to.id, to.window.acked()});
  }

  void hear(const notice& x) {
    notice_ = error{x.reason.code, fmt::format("{}: {}", address(), x.reason.message)};
    if (!x.closing)
      complain(*notice_);
  }

  // -- what goes to the link --------------------------------------------------

  void greet(outbound& to) {
    queued_bytes_ += link_->send(hello{to.id, to.window.acked(), to.store, to.epoch});
    streams_.greet(to, now());
    wake_.notify();
  }

  void offer(outbound& to) {
    if (streams_.offer(to))
      wake_.notify();
  }

  void send_from(outbound& from) {
    auto& next = *from.window.unsent();
    metrics_.sent(next);
    queued_bytes_ += link_->send(next);
    streams_.mark_sent(from, now());
    offer(from);
  }

  // -- what outlives the process ------------------------------------------------

  /// Before the stream is greeted for the first time.
  void go_on_after_what_is_known(outbound& to, const open_stream& x) {
    if (x.acked.position > 0) {
      to.window = stream_window{config_.epoch, x.acked};
      to.store = x.store;
    }
    go_on_from_checkpoint(to);
  }

  void go_on_from_checkpoint(outbound& x) {
    if (auto* found = checkpoints_.find(x.id); found && found->last >= x.window.acked()) {
      x.window = stream_window{config_.epoch, found->last};
      x.store = found->store;
    }
  }

  /// The connection's store has acknowledged the stream as far as the window says.
  void remember(outbound& x) {
    x.store = answering_store_;
    if (config_.on_acked)
      config_.on_acked(x.id, x.window.acked());
    if (checkpoints_.set(x.id, {x.window.acked(), x.store}))
      save_.notify();
  }

  /// Saves what has changed, now and then, and at once before the drain is answered.
  task<void> keep_checkpoints() {
    for (auto last = now() - config_.checkpoint_interval;;) {
      co_await save_.wait();
      for (auto due = last + config_.checkpoint_interval; !drains() && now() < due;)
        co_await save_.wait_for(due - now());
      do
        co_await checkpoints_.save();
      while (drains() && checkpoints_.changed());
      last = now();
      if (drains())
        std::exchange(drain_, std::nullopt)->deliver(status());
    }
  }

  // -- what others want to know -----------------------------------------------

  void answer_drain_if_done() {
    if (drain_ && phase_ == phase::failed)
      std::exchange(drain_, std::nullopt)->deliver(to_caf(last_error_));
    else if (drains())
      save_.notify();
  }

  /// Whether all is done, and somebody waits to hear it.
  bool drains() const { return drain_ && phase_ != phase::failed && input_ended_ && streams_.all_done(); }

  ship_status status() const {
    auto& totals = *config_.totals;
    auto& held = streams_.held();
    return {
      .state = to_string(phase_),
      .was_connected = totals.was_connected,
      .streams = streams_.size(),
      .acked_records = totals.acked_records,
      .acked_bytes = totals.acked_bytes,
      .sent_bytes = totals.sent_bytes,
      .pending_streams = streams_.holding(),
      .pending_frames = held.frames,
      .pending_records = held.records,
      .pending_bytes = held.bytes,
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
  shipper_metrics metrics_;
  std::mt19937_64 random_;
  caf::actor_clock::time_point started_;
  phase phase_ = phase::connecting;
  bool input_ended_ = false;
  error last_error_;
  outbound_table streams_;
  checkpoint_keeper checkpoints_;
  std::optional<caf::typed_response_promise<ship_status>> drain_;
  // The present link.
  std::unique_ptr<link> link_;
  std::uint64_t link_number_ = 0;
  bool link_is_open_ = false, link_is_closed_ = false;
  std::optional<error> notice_;  ///< What the peer has said before it closes.
  std::size_t queued_bytes_ = 0; ///< As `link::send` and `on_sent` count them.
  id128 answering_store_{};
  signal wake_, save_;
  task_scope tasks_;
};

} // namespace

shipper_actor spawn_shipper(caf::actor_system& system, environment& env, shipper_config config) {
  return system.spawn<shipper_actor::stateful_impl<shipper_state>>(std::ref(env), std::move(config));
}

} // namespace sluice

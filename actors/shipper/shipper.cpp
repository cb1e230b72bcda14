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
#include "actors/shipper/stream_window.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

namespace {

/// What a peer may send before it was taken note of: 64 acks, which come one per frame at most.
constexpr std::size_t link_credit_bytes = 256 * 1024;

struct shipper_state {
  static inline const char* name = "shipper";

  enum class phase { connecting, handshaking, streaming, backing_off, failed };

  static const char* to_string(phase x) {
    switch (x) {
    case phase::connecting:
      return "connecting";
    case phase::handshaking:
      return "handshaking";
    case phase::streaming:
      return "streaming";
    case phase::backing_off:
      return "backing_off";
    case phase::failed:
      return "failed";
    }
    return "unknown";
  }

  /// One stream on its way out.
  struct outbound {
    stream_id id;
    stream_window window;
    upstream_actor upstream{};
    bool greeted = false;               ///< The receiver has said on this connection where to go on.
    bool sendable = false;              ///< Stands in `sendable_`.
    std::optional<std::uint64_t> end{}; ///< Position where the source has ended.
  };

  shipper_state(shipper_actor::pointer self, environment& env, shipper_config config)
    : self_(self), env_(env), config_(std::move(config)), metrics_(self->system(), name),
      random_(env.seed ^ self->id()), backoff_(config_.retry), started_(self->clock().now()), wake_(self) {}

  shipper_actor::behavior_type make_behavior() {
    tasks_.spawn(run());
    return {
      [this](const open_stream& x) {
        auto [at, is_new] = streams_.try_emplace(x.stream, outbound{x.stream, stream_window{config_.epoch}});
        at->second.upstream = caf::actor_cast<upstream_actor>(x.upstream);
        if (is_new && link_is_open_)
          greet(at->second);
      },
      [this](const restart_stream& x) {
        if (auto found = streams_.find(x.stream); found != streams_.end())
          restart(found->second, x.last);
      },
      [this](const frame& x) { take(x); },
      [this](const end_stream& x) {
        if (auto found = streams_.find(x.stream); found != streams_.end())
          found->second.end = x.position;
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
    for (;;) {
      enter(phase::connecting);
      if (co_await connect()) {
        enter(phase::handshaking);
        co_await stream();
      }
      disconnect();
      if (phase_ == phase::failed || gives_up())
        co_return;
      enter(phase::backing_off);
      co_await sleep_for(self_, std::min<caf::timespan>(backoff_.next(random_), time_left()));
    }
  }

  task<bool> connect() {
    link_is_open_ = link_is_closed_ = false;
    notice_.reset();
    queued_bytes_ = 0;
    link_ = env_.net.connect(config_.to, config_.link);
    link_->start(std::make_shared<link_mailbox<shipper_actor>>(caf::actor_cast<shipper_actor>(self_), ++link_number_));
    link_->grant(link_credit_bytes);
    while (!link_is_open_ && !link_is_closed_)
      co_await wake_.wait();
    co_return link_is_open_;
  }

  void disconnect() {
    link_.reset();
    link_is_open_ = false;
    ++link_number_; // what it has said last and is not read yet counts no more
  }

  /// Greets all streams, and sends what the window and the link allow, until the link is closed.
  task<void> stream() {
    sendable_.clear();
    for (auto& [id, x] : streams_) {
      x.greeted = x.sendable = false;
      greet(x);
    }
    while (!link_is_closed_ && phase_ != phase::failed) {
      if (sendable_.empty() || queued_bytes_ >= config_.max_queued_bytes)
        co_await wake_.wait();
      else
        send_one();
    }
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
    phase_ = next;
    spdlog::debug("shipper: {} {}", sluice::to_string(config_.to), to_string(next));
  }

  void fail_for_good(error reason) {
    last_error_ = std::move(reason);
    enter(phase::failed);
    wake_.notify();
    answer_drain_if_done();
  }

  // -- what comes from the source ---------------------------------------------

  void take(const frame& made) {
    auto& header = made.header();
    auto found = streams_.find(header.stream);
    metrics_.received(header.stored_records(), header.source_bytes());
    // A frame that does not follow was made before its source was told to start over; it is made again.
    if (found == streams_.end() || !found->second.window.push(made)) {
      metrics_.discarded("made_again", header.stored_records());
      return;
    }
    held_.add(header);
    metrics_.in_flight(held_.records, held_.bytes);
    found->second.end.reset();
    offer(found->second);
  }

  void restart(outbound& stream, const stream_point& from) {
    stream.end.reset();
    stream_window::change changed;
    if (stream.window.restart(from, changed) == stream_window::restart_result::elsewhere)
      self_->send(stream.upstream, welcome{stream.id, stream.window.acked()});
    count(stream, changed);
  }

  void forget(const stream_id& id) {
    auto found = streams_.find(id);
    if (found == streams_.end() || found->second.window.held().frames > 0)
      return;
    std::erase(sendable_, &found->second);
    streams_.erase(found);
    answer_drain_if_done();
  }

  // -- what comes from the link -----------------------------------------------

  void handle(const link_event::opened&) {
    link_is_open_ = true;
    wake_.notify();
  }

  void handle(const link_event::sent& x) {
    queued_bytes_ -= x.bytes;
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
    auto found = streams_.find(x.stream);
    if (found == streams_.end())
      return;
    auto& to = found->second;
    stream_window::change changed;
    config_.totals->was_connected = true;
    enter(phase::streaming);
    switch (to.window.resume(x.last, changed)) {
    case stream_window::resumption::resend:
      to.greeted = true;
      offer(to);
      break;
    case stream_window::resumption::start_over:
      to.greeted = true;
      to.end.reset();
      self_->send(to.upstream, x);
      break;
    case stream_window::resumption::fenced:
      fail_for_good(
        {errc::stale_epoch, fmt::format("{}: stream {} has been taken over by a newer shipper; this one stops",
                              sluice::to_string(config_.to), sluice::to_string(x.stream))});
      break;
    }
    count(to, changed);
    if (held_.frames == 0)
      backoff_.reset(); // a welcome alone is no success: a full store gives it too
    answer_drain_if_done();
  }

  void settle(const ack& x) {
    auto found = streams_.find(x.stream);
    if (found == streams_.end() || !found->second.greeted)
      return;
    auto& to = found->second;
    count(to, to.window.acknowledge(x.last));
    if (!to.window.in_step()) {
      spdlog::warn("shipper: {}: stream {} is fed by another shipper at the same time; asking where it stands",
        sluice::to_string(config_.to), sluice::to_string(x.stream));
      greet(to);
    }
    answer_drain_if_done();
  }

  void count(outbound& to, const stream_window::change& x) {
    held_.frames -= x.acked.frames + x.discarded.frames;
    held_.records -= x.acked.records + x.discarded.records;
    held_.bytes -= x.acked.bytes + x.discarded.bytes;
    metrics_.in_flight(held_.records, held_.bytes);
    if (x.discarded.records > 0)
      metrics_.discarded("made_again", x.discarded.records);
    if (x.acked.frames == 0)
      return;
    backoff_.reset();
    config_.totals->acked_records += x.acked.records;
    config_.totals->acked_bytes += x.acked.bytes;
    metrics_.sent(x.acked.records, x.acked.bytes);
    self_->send(to.upstream, ack{to.id, to.window.acked()});
  }

  void hear(const notice& x) {
    notice_ = error{x.reason.code, fmt::format("{}: {}", sluice::to_string(config_.to), x.reason.message)};
    if (!x.closing)
      complain(*notice_);
  }

  // -- what goes to the link --------------------------------------------------

  void greet(outbound& to) {
    to.greeted = false;
    queued_bytes_ += link_->send(hello{to.id, to.window.acked()});
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
    from.window.mark_sent();
    offer(from);
  }

  // -- what others want to know -----------------------------------------------

  bool all_acknowledged() const {
    return std::all_of(streams_.begin(), streams_.end(), [](auto& entry) {
      auto& x = entry.second;
      return x.end && x.window.held().frames == 0 && x.window.acked().position >= *x.end;
    });
  }

  void answer_drain_if_done() {
    if (!drain_)
      return;
    if (phase_ == phase::failed)
      drain_->deliver(to_caf(last_error_));
    else if (input_ended_ && all_acknowledged())
      drain_->deliver(status());
    else
      return;
    drain_.reset();
  }

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
  component_metrics metrics_;
  std::mt19937_64 random_;
  backoff backoff_;
  caf::actor_clock::time_point started_;
  phase phase_ = phase::connecting;
  bool input_ended_ = false;
  error last_error_;
  std::unordered_map<stream_id, outbound> streams_; // addresses are stable
  std::deque<outbound*> sendable_;                  ///< Streams with a frame to send, longest waiting first.
  std::optional<caf::typed_response_promise<ship_status>> drain_;
  stream_window::content held_; ///< Over all streams.
  // The present link.
  std::unique_ptr<link> link_;
  std::uint64_t link_number_ = 0;
  bool link_is_open_ = false, link_is_closed_ = false;
  std::optional<error> notice_;  ///< What the peer has said before it closes.
  std::size_t queued_bytes_ = 0; ///< As `link::send` and `on_sent` count them.
  signal wake_;
  task_scope tasks_;
};

} // namespace

shipper_actor spawn_shipper(caf::actor_system& system, environment& env, shipper_config config) {
  return system.spawn<shipper_actor::stateful_impl<shipper_state>>(std::ref(env), std::move(config));
}

} // namespace sluice

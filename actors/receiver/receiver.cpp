#include "actors/receiver/receiver.hpp"

#include <spdlog/spdlog.h>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/errors.hpp"
#include "actors/runtime/link_mailbox.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

namespace {

/// Validation of bytes is the link's, deduplication the store's; this is what lies between: one request to storage
/// per frame, its answer back to the shipper, and the credit with it.
struct receiver_state {
  static inline const char* name = "receiver";

  receiver_state(receiver_actor::pointer self, const receiver_config& config,
                 std::unique_ptr<link> connection, storage_writer_actor storage)
    : self_(self),
      config_(config),
      storage_(std::move(storage)),
      metrics_(self->system(), name),
      link_(std::move(connection)) {}

  receiver_actor::behavior_type make_behavior() {
    link_->start(std::make_shared<link_mailbox<receiver_actor>>(
      caf::actor_cast<receiver_actor>(self_), 0));
    link_->grant(config_.window_bytes);
    return {
      [this](const link_event& x) {
        if (!closing_)
          std::visit([this](auto& event) { handle(event); }, x.what);
      },
      [this](stop_atom) {
        close({errc::shutting_down, "the receiver is shutting down"});
      },
    };
  }

  void handle(const link_event::opened&) { spdlog::debug("receiver: {} connected", link_->peer()); }

  void handle(const link_event::sent&) {}

  void handle(const link_event::closed& x) {
    if (x.reason.code == errc::connection_lost) {
      spdlog::debug("receiver: {}", x.reason.message);
    } else {
      spdlog::warn("receiver: {}", x.reason.message);
      metrics_.failed(x.reason.code);
    }
    close(x.reason);
  }

  void handle(const link_event::received& x) {
    if (auto* data = std::get_if<frame>(&x.message))
      store(*data, x.bytes);
    else if (auto* question = std::get_if<hello>(&x.message))
      greet(*question, x.bytes);
    else if (auto* word = std::get_if<notice>(&x.message))
      hear(*word, x.bytes);
  }

  void greet(const hello& x, std::size_t credit) {
    ++waiting_;
    self_->request(storage_, config_.storage_timeout, x)
      .then(
        [this, credit](const welcome& answer) {
          link_->send(answer);
          release(credit);
        },
        [this](const caf::error& reason) { fail(from_caf(reason)); });
  }

  void store(const frame& x, std::size_t credit) {
    auto records = x.header().record_count;
    metrics_.received(records, x.size());
    hold(records, x.size());
    ++waiting_;
    self_->request(storage_, config_.storage_timeout, x)
      .then(
        [this, credit, records, bytes = x.size()](const ack& answer) {
          link_->send(answer);
          metrics_.sent(records, bytes);
          let_go(records, bytes);
          release(credit);
        },
        [this, records, bytes = x.size()](const caf::error& reason) {
          auto why = from_caf(reason);
          metrics_.discarded(to_string(why.code), records);
          let_go(records, bytes);
          fail(std::move(why));
        });
  }

  void hear(const notice& x, std::size_t credit) {
    spdlog::warn("receiver: {} says: {}", link_->peer(), x.reason.message);
    link_->grant(credit);
  }

  void release(std::size_t credit) {
    --waiting_;
    if (closing_)
      quit_when_answered();
    else
      link_->grant(credit);
  }

  /// Storage has refused something: the shipper must connect again and ask where to go on.
  void fail(error reason) {
    --waiting_;
    if (!closing_) {
      spdlog::warn("receiver: {}: refused: {}", link_->peer(), reason.message);
      close(std::move(reason));
    } else {
      quit_when_answered();
    }
  }

  /// Takes nothing more; what storage has will still be answered.
  void close(error reason) {
    if (closing_)
      return;
    closing_ = std::move(reason);
    quit_when_answered();
  }

  void quit_when_answered() {
    if (waiting_ > 0)
      return;
    link_->send(notice{*closing_, true});
    self_->quit();
  }

  void hold(std::uint64_t records, std::uint64_t bytes) {
    metrics_.hold(static_cast<std::int64_t>(records), static_cast<std::int64_t>(bytes));
  }

  void let_go(std::uint64_t records, std::uint64_t bytes) {
    metrics_.hold(-static_cast<std::int64_t>(records), -static_cast<std::int64_t>(bytes));
  }

  receiver_actor::pointer self_;
  receiver_config config_;
  storage_writer_actor storage_;
  component_metrics metrics_;
  std::unique_ptr<link> link_;
  std::size_t waiting_ = 0; ///< Requests that storage has not answered.
  std::optional<error> closing_;
};

} // namespace

receiver_actor spawn_receiver(caf::actor_system& system, const receiver_config& config,
                              std::unique_ptr<link> connection, storage_writer_actor storage) {
  return system.spawn<receiver_actor::stateful_impl<receiver_state>>(config, std::move(connection),
                                                                     std::move(storage));
}

} // namespace sluice

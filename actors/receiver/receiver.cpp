#include "actors/receiver/receiver.hpp"

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/link_mailbox.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

namespace {

/// Validation of bytes is the link's, deduplication the store's; this is what lies between: one coroutine per
/// message, which asks storage and takes the answer back to the shipper, and the credit with it. Storage answers in
/// order, so they end in order.
struct receiver_state {
  static inline const char* name = "receiver";

  receiver_state(receiver_actor::pointer self, const receiver_config& config, std::unique_ptr<link> connection,
    storage_writer_actor storage)
    : self_(self), config_(config), storage_(std::move(storage)), metrics_(self->system(), name),
      link_(std::move(connection)) {}

  receiver_actor::behavior_type make_behavior() {
    link_->start(std::make_shared<link_mailbox<receiver_actor>>(caf::actor_cast<receiver_actor>(self_), 0));
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

  void handle(const link_event::sent& x) {
    unsent_bytes_ -= x.bytes;
    grant();
  }

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
      tasks_.spawn(store(*data, x.bytes));
    else if (auto* question = std::get_if<hello>(&x.message))
      tasks_.spawn(greet(*question, x.bytes));
    else if (auto* word = std::get_if<notice>(&x.message))
      hear(*word, x.bytes);
  }

  task<void> greet(hello question, std::size_t credit) {
    ++waiting_;
    auto answer = co_await request(self_, storage_, config_.storage_timeout, question);
    if (answer)
      reply(*answer, credit);
    else
      refuse(from_caf(answer.error()));
  }

  task<void> store(frame data, std::size_t credit) {
    auto records = data.header().stored_records();
    ++waiting_;
    metrics_.received(records, data.size());
    hold(data, 1);
    auto answer = co_await request(self_, storage_, config_.storage_timeout, data);
    hold(data, -1);
    if (answer) {
      metrics_.sent(records, data.size());
      reply(*answer, credit);
    } else {
      auto why = from_caf(answer.error());
      metrics_.discarded(to_string(why.code), records);
      refuse(std::move(why));
    }
  }

  void hear(const notice& x, std::size_t credit) {
    spdlog::warn("receiver: {} says: {}", link_->peer(), x.reason.message);
    owed_credit_ += credit;
    grant();
  }

  void reply(link_message answer, std::size_t credit) {
    --waiting_;
    unsent_bytes_ += link_->send(std::move(answer));
    owed_credit_ += credit;
    if (closing_)
      quit_when_answered();
    else
      grant();
  }

  /// A peer that does not read its answers has to wait, so that they do not pile up here.
  void grant() {
    if (owed_credit_ > 0 && unsent_bytes_ <= config_.max_unsent_bytes)
      link_->grant(std::exchange(owed_credit_, 0));
  }

  /// Storage has refused something: the shipper must connect again and ask where to go on.
  void refuse(error reason) {
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

  /// Counts a frame that storage has not answered in or out.
  void hold(const frame& x, int sign) {
    metrics_.hold(
      sign * static_cast<std::int64_t>(x.header().stored_records()), sign * static_cast<std::int64_t>(x.size()));
  }

  receiver_actor::pointer self_;
  receiver_config config_;
  storage_writer_actor storage_;
  component_metrics metrics_;
  std::unique_ptr<link> link_;
  std::size_t waiting_ = 0;      ///< Requests that storage has not answered.
  std::size_t unsent_bytes_ = 0; ///< Of answers.
  std::size_t owed_credit_ = 0;  ///< Not granted yet.
  std::optional<error> closing_;
  task_scope tasks_;
};

} // namespace

receiver_actor spawn_receiver(caf::actor_system& system, const receiver_config& config,
  std::unique_ptr<link> connection, storage_writer_actor storage) {
  return system.spawn<receiver_actor::stateful_impl<receiver_state>>(config, std::move(connection), std::move(storage));
}

} // namespace sluice

#include "actors/receiver/acceptor.hpp"

#include <unordered_map>

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <spdlog/spdlog.h>

#include "transport/network.hpp"

namespace sluice {

namespace {

struct acceptor_state {
  static inline const char* name = "acceptor";

  struct receiving {
    receiver_actor actor;
    std::uint64_t listener;
  };

  acceptor_state(acceptor_actor::pointer self, acceptor_config config, storage_writer_actor storage)
    : self_(self), config_(config), storage_(std::move(storage)) {}

  ~acceptor_state() {
    // Those that are still there would go on with a storage writer that may be gone.
    for (auto& [address, x] : receivers_)
      caf::anon_send_exit(x.actor, caf::exit_reason::kill);
  }

  acceptor_actor::behavior_type make_behavior() {
    self_->set_down_handler([this](const caf::down_msg& x) {
      receivers_.erase(x.source);
      answer_drain_if_done();
    });
    return {
      [this](const accepted_link& x) {
        auto connection = std::move(*x.connection);
        if (drain_)
          return;
        if (receivers_.size() >= config_.max_connections) {
          spdlog::warn(
            "receiver: {}: refused: there are {} connections already", connection->peer(), receivers_.size());
          return;
        }
        auto made = spawn_receiver(self_->system(), config_.receiver, std::move(connection), storage_);
        self_->monitor(made);
        receivers_.emplace(made.address(), receiving{made, x.listener});
      },
      [this](stop_atom stop, std::uint64_t listener) {
        for (auto& [address, x] : receivers_)
          if (x.listener == listener)
            self_->send(x.actor, stop);
      },
      [this](children_atom) {
        std::vector<child_status> found;
        for (auto& [address, x] : receivers_)
          found.push_back({"receiver", caf::actor_cast<caf::actor>(x.actor)});
        return found;
      },
      [this](drain_atom) {
        drain_ = self_->make_response_promise<void>();
        for (auto& [address, x] : receivers_)
          self_->send(x.actor, stop_atom_v);
        auto answer = *drain_;
        answer_drain_if_done();
        return answer;
      },
    };
  }

  void answer_drain_if_done() {
    if (drain_ && receivers_.empty()) {
      drain_->deliver();
      self_->quit();
    }
  }

  acceptor_actor::pointer self_;
  acceptor_config config_;
  storage_writer_actor storage_;
  std::unordered_map<caf::actor_addr, receiving> receivers_;
  std::optional<caf::typed_response_promise<void>> drain_;
};

} // namespace

acceptor_actor spawn_acceptor(caf::actor_system& system, acceptor_config config, storage_writer_actor storage) {
  return system.spawn<acceptor_actor::stateful_impl<acceptor_state>>(config, std::move(storage));
}

} // namespace sluice

#include "actors/receive_pipeline.hpp"

#include <utility>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/storage/storage_writer.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

constexpr auto storage_name = "storage-writer";
constexpr auto acceptor_name = "acceptor";

void log_recovery(const store_recovery& found, const std::filesystem::path& folder) {
  spdlog::info(
    "storage: {}: {}, {}", folder.string(), counted(found.segments, "segment"), counted(found.streams, "stream"));
  if (found.cut)
    spdlog::warn("storage: {}; cut off {} at the end, none of which was acknowledged as durable",
      to_string(found.cut->where), counted(found.cut->bytes, "byte"));
}

/// Opens the store again. The lock may still be held by the commit in which the last storage writer was interrupted.
task<expected<caf::actor>> start_storage(
  caf::scheduled_actor* self, environment* env, receive_pipeline_config config, std::unique_ptr<store> opened) {
  constexpr std::chrono::milliseconds pause{50};
  for (auto waited = 0 * pause; !opened; waited += pause) {
    auto made = co_await run_blocking(
      self, env->io, [env, config] { return store::open(env->files, config.folder, config.store, env->now()); });
    if (made)
      opened = std::move(*made);
    else if (made.error().code != errc::locked || waited >= config.lock_patience)
      co_return fail(made.error());
    else
      co_await sleep_for(self, pause);
  }
  log_recovery(opened->recovery(), config.folder);
  co_return caf::actor_cast<caf::actor>(spawn_storage_writer(self->system(), *env, std::move(opened)));
}

std::vector<child_spec> make_children(
  caf::actor_system& system, environment& env, const receive_pipeline_config& config, std::unique_ptr<store> opened) {
  auto first = std::make_shared<std::unique_ptr<store>>(std::move(opened));
  return {
    {storage_name, [env = &env, config, first](caf::scheduled_actor* self,
                     const running_children&) { return start_storage(self, env, config, std::move(*first)); }},
    {acceptor_name, at_once([&system, config = config.acceptor](auto& running) {
       return spawn_acceptor(system, config, running.template get<storage_writer_actor>(storage_name));
     })},
  };
}

struct receive_pipeline_state {
  static inline const char* name = "receive-pipeline";

  receive_pipeline_state(receive_pipeline_actor::pointer self, environment& env, const receive_pipeline_config& config,
    std::unique_ptr<store> opened)
    : self_(self), seed_(env.seed), max_unaccepted_(config.acceptor.max_connections) {
    supervisor_config made{.name = name, .strategy = restart_strategy::rest_for_one, .intensity = config.intensity};
    made.children = make_children(self->system(), env, config, std::move(opened));
    made.on_change = [me = caf::actor_cast<receive_pipeline_actor>(self)](
                       child_change x) { caf::anon_send(me, std::move(x)); };
    supervised_ = std::move(made);
  }

  ~receive_pipeline_state() { caf::anon_send_exit(supervisor_, caf::exit_reason::kill); }

  receive_pipeline_actor::behavior_type make_behavior() {
    // Not before: the first children send to this actor at once.
    supervisor_ = spawn_supervisor(self_->system(), seed_, std::move(supervised_));
    self_->monitor(supervisor_);
    self_->set_down_handler([this](const caf::down_msg& x) {
      if (x.reason) // otherwise all is drained, and the answer is on its way
        end(x.reason);
    });
    self_->set_exit_handler([this](const caf::exit_msg& x) { self_->send_exit(supervisor_, x.reason); });
    return {
      [this](const accepted_link& x) {
        if (acceptor_)
          self_->send(acceptor_, x);
        else
          keep_for_acceptor(x);
      },
      [this](stop_atom x, std::uint64_t listener) {
        std::erase_if(unaccepted_, [listener](auto& y) { return y.listener == listener; });
        if (acceptor_)
          self_->send(acceptor_, x, listener);
      },
      [this](drain_atom) {
        drain_ = self_->make_response_promise<void>();
        drain_acceptor();
        return *drain_;
      },
      [this](children_atom x) { return self_->delegate(supervisor_, x); },
      [this](const child_change& x) { change(x); },
    };
  }

  void change(const child_change& x) {
    if (x.name == acceptor_name) {
      acceptor_ = caf::actor_cast<acceptor_actor>(x.handle);
      hand_on_unaccepted();
      drain_acceptor();
    } else if (x.name == storage_name) {
      storage_ = caf::actor_cast<storage_writer_actor>(x.handle);
      drain_storage();
    }
  }

  void keep_for_acceptor(const accepted_link& x) {
    if (unaccepted_.size() < max_unaccepted_) {
      unaccepted_.push_back(x);
      return;
    }
    spdlog::warn(
      "receiver: {}: refused: there are {} connections already", (*x.connection)->peer(), unaccepted_.size());
    x.connection->reset();
  }

  void hand_on_unaccepted() {
    if (acceptor_)
      for (auto& x : std::exchange(unaccepted_, {}))
        self_->send(acceptor_, std::move(x));
  }

  // Each step is done by whoever is there when it is; if that one fails before, by its successor.

  void drain_acceptor() {
    if (!drain_ || is_accepting_over_ || !acceptor_)
      return;
    self_->request(acceptor_, caf::infinite, drain_atom_v)
      .then(
        [this] {
          is_accepting_over_ = true;
          drain_storage();
        },
        [](const caf::error&) {});
  }

  void drain_storage() {
    if (!is_accepting_over_ || !storage_)
      return;
    self_->request(storage_, caf::infinite, drain_atom_v)
      .then([this] { end({}); },
        [this](const caf::error& reason) {
          if (reason.category() == caf::type_id_v<errc>)
            end(reason);
        });
  }

  void end(const caf::error& reason) {
    if (drain_ && reason)
      drain_->deliver(reason);
    else if (drain_)
      drain_->deliver();
    self_->quit(reason);
  }

  receive_pipeline_actor::pointer self_;
  std::uint64_t seed_;
  supervisor_config supervised_; ///< Until it is started.
  supervisor_actor supervisor_;
  storage_writer_actor storage_; ///< Null while it does not run, as `acceptor_`.
  acceptor_actor acceptor_;
  std::size_t max_unaccepted_;
  std::vector<accepted_link> unaccepted_; ///< Came while there was no acceptor.
  bool is_accepting_over_ = false;
  std::optional<caf::typed_response_promise<void>> drain_;
};

} // namespace

receive_pipeline_actor spawn_receive_pipeline(
  caf::actor_system& system, environment& env, receive_pipeline_config config, std::unique_ptr<store> opened) {
  return system.spawn<receive_pipeline_actor::stateful_impl<receive_pipeline_state>>(
    std::ref(env), std::move(config), std::move(opened));
}

expected<std::unique_ptr<listener>> listen_for(receive_pipeline_actor pipeline, network& net, const endpoint& where,
  const link_options& options, std::uint64_t number) {
  return net.listen(where, options, [pipeline, number](std::unique_ptr<link> connection) {
    caf::anon_send(pipeline, accepted_link{std::make_shared<std::unique_ptr<link>>(std::move(connection)), number});
  });
}

} // namespace sluice

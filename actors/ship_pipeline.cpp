#include "actors/ship_pipeline.hpp"

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "actors/batcher/batcher.hpp"
#include "actors/compressor/compressor.hpp"
#include "actors/runtime/awaitables.hpp"
#include "actors/runtime/environment.hpp"
#include "actors/transform/transformer.hpp"

namespace sluice {

namespace {

constexpr auto shipper_name = "shipper";
constexpr auto spool_name = "spool";
constexpr auto compressor_name = "compressor";
constexpr auto transformer_name = "transformer";
constexpr auto batcher_name = "batcher";
constexpr auto source_name = "source";

/// Where the compressor's frames go: who has to be asked how it stands, and for the drain.
downstream_actor outlet(const running_children& running) {
  if (auto spool = running.get<downstream_actor>(spool_name))
    return spool;
  return running.get<downstream_actor>(shipper_name);
}

/// Where batches go.
compressor_actor batch_inlet(const running_children& running) {
  if (auto transformer = running.get<compressor_actor>(transformer_name))
    return transformer;
  return running.get<compressor_actor>(compressor_name);
}

std::vector<child_spec> make_children(caf::actor_system& system, environment& env, const ship_pipeline_config& config) {
  auto pool = std::make_shared<buffer_pool>();
  std::vector<child_spec> made;
  made.push_back({shipper_name,
    at_once([&system, &env, config = config.ship](auto&) { return spawn_shipper(system, env, config); })});
  if (config.spool)
    made.push_back({spool_name, at_once([&system, &env, config = *config.spool](auto& running) {
                      return spawn_spool(system, env, config, running.template get<shipper_actor>(shipper_name));
                    })});
  made.push_back({compressor_name,
    at_once([&system, how = config.how](auto& running) { return spawn_compressor(system, how, outlet(running)); })});
  if (!config.transforms.empty())
    made.push_back({transformer_name, at_once([&system, what = config.transforms, pool](auto& running) {
                      return spawn_transformer(
                        system, what, pool, running.template get<compressor_actor>(compressor_name));
                    })});
  if (config.intake) {
    made.push_back({source_name, at_once([&system, &env, config = *config.intake](auto& running) {
                      return spawn_intake(system, env, config, batch_inlet(running));
                    })});
    return made;
  }
  if (config.http_intake) {
    made.push_back({source_name, at_once([&system, &env, config = *config.http_intake](auto& running) {
                      return spawn_http_intake(system, env, config, batch_inlet(running));
                    })});
    return made;
  }
  if (config.api_intake) {
    made.push_back({source_name, at_once([&system, &env, config = *config.api_intake](auto& running) {
                      return spawn_api_intake(
                        system, env, config, running.template get<compressor_actor>(compressor_name));
                    })});
    return made;
  }
  made.push_back({batcher_name, at_once([&system, limits = config.batch, pool](auto& running) {
                    return spawn_batcher(system, limits, pool, batch_inlet(running));
                  })});
  made.push_back({source_name, at_once([&system, &env, config = config.source, pool](auto& running) {
                    return spawn_file_source(
                      system, env, config, pool, running.template get<batcher_actor>(batcher_name));
                  })});
  return made;
}

struct ship_pipeline_state {
  static inline const char* name = "ship-pipeline";

  ship_pipeline_state(ship_pipeline_actor::pointer self, environment& env, ship_pipeline_config config)
    : self_(self), seed_(env.seed), totals_(config.ship.totals),
      outlet_name_(config.spool ? spool_name : shipper_name) {
    config.source.limits.max_bytes = config.batch.max_bytes;
    config.source.limits.max_events = config.batch.max_events;
    supervisor_config made{.name = name, .strategy = restart_strategy::one_for_all, .intensity = config.intensity};
    made.children = make_children(self->system(), env, config);
    made.on_change = [me = caf::actor_cast<ship_pipeline_actor>(self)](
                       child_change x) { caf::anon_send(me, std::move(x)); };
    supervised_ = std::move(made);
  }

  ~ship_pipeline_state() { caf::anon_send_exit(supervisor_, caf::exit_reason::kill); }

  ship_pipeline_actor::behavior_type make_behavior() {
    // Not before: the first children send to this actor at once.
    supervisor_ = spawn_supervisor(self_->system(), seed_, std::move(supervised_));
    self_->monitor(supervisor_);
    self_->set_down_handler([this](const caf::down_msg& x) {
      answer_drain(x.reason);
      self_->quit(x.reason);
    });
    self_->set_exit_handler([this](const caf::exit_msg& x) { self_->send_exit(supervisor_, x.reason); });
    return {
      [this](status_atom) { return answer_with(self_, tasks_, report()); },
      [this](drain_atom) {
        drain_ = self_->make_response_promise<ship_report>();
        ask_for_drain();
        return *drain_;
      },
      [this](stop_atom) {
        is_stopped_ = true;
        stop_source();
      },
      [this](flush_atom) { return flush(); },
      [this](children_atom x) { return self_->delegate(supervisor_, x); },
      [this](const child_change& x) { change(x); },
    };
  }

  void change(const child_change& x) {
    if (x.name == spool_name)
      spool_ = caf::actor_cast<spool_actor>(x.handle);
    if (x.name == outlet_name_) {
      outlet_ = caf::actor_cast<downstream_actor>(x.handle);
      ask_for_drain();
    } else if (x.name == batcher_name) {
      batcher_ = caf::actor_cast<batcher_actor>(x.handle);
    } else if (x.name == source_name) {
      source_ = caf::actor_cast<source_actor>(x.handle);
      stop_source();
    }
  }

  caf::typed_response_promise<void> flush() {
    auto promise = self_->make_response_promise<void>();
    if (spool_)
      self_->request(spool_, caf::infinite, flush_atom_v)
        .then([promise]() mutable { promise.deliver(); },
          [promise](caf::error& reason) mutable { promise.deliver(std::move(reason)); });
    else
      promise.deliver();
    return promise;
  }

  void stop_source() {
    if (is_stopped_ && source_)
      self_->send(source_, stop_atom_v);
  }

  /// Whoever is there when all is done answers; if it ends before, its successor is asked.
  void ask_for_drain() {
    if (!drain_ || !outlet_)
      return;
    self_->request(outlet_, caf::infinite, drain_atom_v)
      .then([this](ship_status& x) { tasks_.spawn(finish(std::move(x))); },
        [this](caf::error& reason) {
          if (reason.category() == caf::type_id_v<errc>)
            answer_drain(std::move(reason));
        });
  }

  /// The last acks may still be on their way up, and what the source knows to be acknowledged counts afterwards.
  task<void> finish(ship_status status) {
    if (batcher_)
      co_await request(self_, batcher_, patience, flush_atom_v);
    auto errors = co_await source_errors();
    answer_drain(ship_report{std::move(status), std::move(errors)});
  }

  template <class Answer>
  void answer_drain(Answer answer) {
    if (auto asked = std::exchange(drain_, std::nullopt))
      asked->deliver(std::move(answer));
  }

  task<caf::expected<ship_report>> report() {
    auto status = co_await outlet_status();
    auto errors = co_await source_errors();
    co_return ship_report{std::move(status), std::move(errors)};
  }

  task<ship_status> outlet_status() {
    if (outlet_)
      if (auto answer = co_await request(self_, outlet_, patience, status_atom_v))
        co_return std::move(*answer);
    co_return ship_status{
      .state = "restarting",
      .was_connected = totals_->was_connected,
      .acked_records = totals_->acked_records,
      .acked_bytes = totals_->acked_bytes,
      .sent_bytes = totals_->sent_bytes,
    };
  }

  task<std::vector<std::string>> source_errors() {
    if (source_)
      if (auto answer = co_await request(self_, source_, patience, status_atom_v))
        co_return std::move(*answer);
    co_return std::vector<std::string>{};
  }

  static constexpr std::chrono::seconds patience{5};

  ship_pipeline_actor::pointer self_;
  std::uint64_t seed_;
  std::shared_ptr<shipper_totals> totals_;
  supervisor_config supervised_; ///< Until it is started.
  supervisor_actor supervisor_;
  std::string outlet_name_;
  downstream_actor outlet_; ///< Null while it does not run, as the next two.
  batcher_actor batcher_;
  source_actor source_;
  spool_actor spool_;
  bool is_stopped_ = false;
  std::optional<caf::typed_response_promise<ship_report>> drain_;
  task_scope tasks_;
};

} // namespace

ship_pipeline_actor spawn_ship_pipeline(caf::actor_system& system, environment& env, ship_pipeline_config config) {
  return system.spawn<ship_pipeline_actor::stateful_impl<ship_pipeline_state>>(std::ref(env), std::move(config));
}

} // namespace sluice

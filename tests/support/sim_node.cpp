#include "tests/support/sim_node.hpp"

#include <algorithm>

#include <caf/send.hpp>
#include <fmt/format.h>
#include <xxhash.h>

#include "actors/source/pipe_reader.hpp"

namespace sluice::test {

ledger ledger_of(const stats_snapshot& metrics, const std::string& component) {
  auto sum = [&](std::string_view name) { return total(metrics, name, {{"component_id", component}}); };
  return {sum("component_received_events_total"), sum("component_sent_events_total"),
    sum("component_discarded_events_total"), sum("buffer_events")};
}

std::string to_string(const ledger& x) {
  return fmt::format("received {} = sent {} + discarded {} + held {}", x.received, x.sent, x.discarded, x.held);
}

expected<void> sim_receiver::start() {
  auto opened = store::open(files_, folder_, store_, world_.time_of_day(where_.host));
  if (!opened)
    return fail(opened.error());
  ++starts_;
  torn_tails_ += (*opened)->recovery().cut.has_value();
  process_ = std::make_unique<sim_process>(world_, where_.host, files_, seed_ + starts_);
  auto& system = process_->system();
  auto& env = process_->env();
  receive_pipeline_config config{.folder = folder_, .store = store_, .acceptor = accept_, .intensity = intensity_};
  pipeline_ = process_->own(spawn_receive_pipeline(system, env, std::move(config), std::move(*opened)));
  stats = process_->own(spawn_supervised_stats(system, env, {}));
  auto listening = listen_for(pipeline_, env.net, where_, {});
  if (!listening)
    return fail(listening.error());
  listener_ = std::move(*listening);
  return {};
}

void sim_receiver::kill() {
  listener_.reset();
  stats = nullptr;
  pipeline_ = nullptr;
  process_.reset();
}

void sim_receiver::crash() {
  if (is_up())
    kill();
  files_.crash();
}

void sim_shipper::add_file(const std::string& path, std::string content) {
  files_.set_content(path, std::move(content));
  config_.source.paths.push_back(path);
}

id128 sim_shipper::new_id() const {
  auto hash = XXH3_128bits_withSeed(host_.data(), host_.size(), seed_ + starts_);
  return std::bit_cast<id128>(hash);
}

std::optional<sim_world::time_point> sim_shipper::awake_since() const {
  auto awake = process_ ? process_->awake_since() : std::nullopt;
  return awake && disk_works_since_ ? std::optional{std::max(*awake, *disk_works_since_)} : std::nullopt;
}

void sim_shipper::stop() {
  caf::anon_send(pipeline_, stop_atom_v);
}

void sim_shipper::add_pipe() {
  has_pipe_ = true;
  files_.make_pipe(pipe_path);
  config_.source.paths.push_back("-");
}

void sim_shipper::start() {
  ++starts_;
  if (has_pipe_)
    config_.source.pipes["-"] = std::make_shared<pipe_reader>("-", new_id(), files_.standard_input().value());
  process_ = std::make_unique<sim_process>(world_, host_, files_, seed_ + starts_);
  auto& system = process_->system();
  auto& env = process_->env();
  config_.source.file_notes = notes_path;
  config_.source.epoch = config_.ship.epoch = ++*epoch_;
  config_.ship.totals = std::make_shared<shipper_totals>();
  pipeline_ = process_->own(spawn_ship_pipeline(system, env, config_));
  stats = process_->own(spawn_supervised_stats(system, env, {}));
  drained_ = process_->ask<ship_report>(pipeline_, drain_atom_v);
}

void sim_shipper::kill() {
  pipeline_ = nullptr;
  stats = nullptr;
  drained_.reset();
  process_.reset();
}

void sim_shipper::crash() {
  if (is_up())
    kill();
  files_.crash();
}

stats_snapshot metrics_of(sim_world& world, sim_process& process, const stats_actor& stats) {
  auto answer = process.ask<stats_snapshot>(stats, status_atom_v);
  world.run_until([&] { return answer->has_value(); }, std::chrono::seconds{1});
  return (*answer)->value();
}

stats_snapshot metrics_of(sim_world& world, sim_process& process, const supervisor_actor& stats) {
  auto children = process.ask<std::vector<child_status>>(stats, children_atom_v);
  world.run_until([&] { return children->has_value(); }, std::chrono::seconds{1});
  return metrics_of(world, process, caf::actor_cast<stats_actor>((*children)->value().front().handle));
}

} // namespace sluice::test

#include "tests/simulation/spine_cluster.hpp"

#include <array>

#include <fmt/format.h>

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

constexpr auto twin = "twin";
constexpr restart_intensity any_number{.restarts = 1'000'000};

/// Some worlds are fast, some slow.
sim_options surroundings(std::uint64_t seed) {
  return {.net = {.min_delay = 50us, .max_delay = 1ms * (1 << seed % 6), .pipe_bytes = 16 * 1024},
    .max_io_delay = 1ms * (1 << seed % 9)};
}

} // namespace

spine_cluster::spine_cluster(std::uint64_t seed, const spine_options& options)
  : seed(seed), busy_time(seed % 3 == 0   ? 500ms
                          : seed % 3 == 1 ? 5s
                                          : 20s),
    world(seed, surroundings(seed)) {
  std::uint64_t receiver_count = 1 + one_in(3);
  for (std::uint64_t i = 0; i < receiver_count; ++i)
    add_receiver(i, options);
  auto shipper_count = 1 + world.random_below(3);
  for (std::uint64_t i = 0; i < shipper_count; ++i)
    add_shipper(i);
  if (one_in(8))
    add_twin(*shippers.front());
}

void spine_cluster::start() {
  for (auto& x : receivers)
    if (auto ok = x->start(); !ok)
      failure = ok.error().message;
  for (auto& x : shippers) {
    if (x->host() == twin)
      world.after(random_scale(busy_time), [&x] { x->start(); });
    else
      x->start();
  }
  for (auto& x : applications)
    x->start(busy_time);
}

caf::timespan spine_cluster::random_time(caf::timespan limit) {
  return caf::timespan{static_cast<std::int64_t>(world.random_below(static_cast<std::uint64_t>(limit.count())))};
}

caf::timespan spine_cluster::random_scale(caf::timespan limit) {
  return random_time(limit / (std::int64_t{1} << world.random_below(10)));
}

/// What its spool has confirmed has to be known first.
void spine_cluster::kill(sim_shipper& shipper, std::function<void()> then) {
  if (!shipper.has_pipe()) {
    shipper.kill();
    return then();
  }
  auto report = shipper.process().ask<ship_report>(shipper.pipeline(), status_atom_v);
  world.after(random_scale(1s), [this, &shipper, report, then = std::move(then)] {
    for (auto& x : applications)
      if (&x->shipper() == &shipper)
        x->on_kill(*report && **report ? (**report)->status : ship_status{});
    shipper.kill();
    then();
  });
}

void spine_cluster::add_receiver(std::uint64_t number, const spine_options& options) {
  store_options store;
  store.segment_bytes = 4 * 1024 + world.random_below(64 * 1024);
  acceptor_config accept{.receiver = {.window_bytes = 1 + world.random_below(32 * 1024)}};
  endpoint where{"sim", fmt::format("receiver-{}", number), 1};
  auto made = std::make_unique<sim_receiver>(world, where, seed * 4 + number, store, accept, any_number);
  if (options.disk_ignores_syncs)
    made->files().ignore_syncs();
  if (options.disk_ignores_folder_syncs)
    made->files().ignore_folder_syncs();
  receivers.push_back(std::move(made));
}

void spine_cluster::add_shipper(std::uint64_t number) {
  auto host = fmt::format("shipper-{}", number);
  ship_pipeline_config config;
  config.source.producer.fill(static_cast<std::uint8_t>(number + 1));
  config.source.limits.max_record_bytes = one_in(4) ? 512 : 16 * 1024;
  config.source.window_bytes = 1 + world.random_below(64 * 1024);
  if (auto set = config.source.labels.set("host", host); !set)
    failure = set.error().message;
  config.batch = {.max_bytes = 256 + world.random_below(4 * 1024),
    .max_events = static_cast<std::uint32_t>(1 + world.random_below(64)),
    .timeout = 100ms};
  config.how.method = one_in(2) ? codec::none : codec::zstd;
  config.intensity = any_number;
  config.ship.to = {some_receiver().where()};
  config.ship.retry = {.initial = 1ms * (1 << world.random_below(8)), .max = 2s};
  config.ship.max_queued_bytes = 1 + world.random_below(16 * 1024);
  if (one_in(3)) {
    config.spool.emplace();
    config.spool->folder = "/state/spool";
    config.spool->limits.max_bytes = 32 * 1024 + world.random_below(512 * 1024);
    config.spool->limits.least_segment_bytes = 4 * 1024 + world.random_below(64 * 1024);
    config.spool->takes_all = false;
    config.spool->window_bytes = 1 + world.random_below(64 * 1024);
  }
  if (receivers.size() > 1 && further.one_in(2))
    add_failover(config);
  if (further.one_in(3))
    add_overload(config);
  auto made = std::make_unique<sim_shipper>(world, host, seed * 16 + number, config);
  add_files(*made);
  if (one_in(2))
    add_followed_files(*made);
  if (made->config().spool && one_in(2)) {
    made->add_pipe();
    applications.push_back(std::make_unique<pipe_application>(world, *made));
  }
  shippers.push_back(std::move(made));
}

/// It may go to every receiver.
void spine_cluster::add_failover(ship_pipeline_config& to) {
  ++seen["shippers with several receivers"];
  for (auto& x : receivers)
    if (x->where() != to.ship.to.front())
      to.ship.to.push_back(x->where());
  to.ship.checkpoints = "/state/checkpoints";
}

/// Drops something where more comes in than goes out, which a little is enough for.
void spine_cluster::add_overload(ship_pipeline_config& to) {
  constexpr std::array policies{overload_policy::drop_oldest, overload_policy::drop_newest, overload_policy::shed};
  auto policy = policies[further.below(to.spool ? 2 : policies.size())]; // `shed` moves lines of pipes
  to.source.overload = {.policy = policy, .max_lag_bytes = 2 * 1024 + further.below(16 * 1024)};
  if (to.spool)
    to.spool->when_full =
      policy == overload_policy::drop_oldest ? spool_overflow::drop_oldest : spool_overflow::drop_newest;
}

void spine_cluster::add_followed_files(sim_shipper& to) {
  auto count = 1 + world.random_below(3);
  to.follow("/logs/*.out");
  for (std::uint64_t i = 0; i < count; ++i) {
    auto path = fmt::format("/logs/{}.out", i);
    auto how = static_cast<rotation>(world.random_below(3));
    applications.push_back(std::make_unique<log_application>(world, to, path, how));
  }
}

void spine_cluster::add_files(sim_shipper& to) {
  auto count = 1 + world.random_below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    auto path = fmt::format("/files/{}.log", i);
    auto text = hostile_text(world, 30'000);
    to.add_file(path, text);
    logs.push_back({to.host(), path, std::move(text)});
  }
}

/// The same agent starts a second time and ships the same files: the one that started first may be fenced.
void spine_cluster::add_twin(sim_shipper& other) {
  auto config = other.config();
  if (config.spool || other.follows())
    return; // what it knows belongs to one agent
  auto paths = std::exchange(config.source.paths, {});
  config.batch.max_bytes = 256 + world.random_below(4 * 1024);
  auto made = std::make_unique<sim_shipper>(world, twin, seed * 16 + 15, config);
  for (auto& path : paths)
    made->add_file(path, other.files().content(path));
  made->join(other);
  shippers.push_back(std::move(made));
}

} // namespace sluice::test

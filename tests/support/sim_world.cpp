#include "tests/support/sim_world.hpp"

#include <algorithm>
#include <cstdlib>

#include <caf/action.hpp>
#include <caf/actor_registry.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

#include "actors/type_ids.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

caf::actor_system_config testing_config() {
  static const auto registered = [] {
    init_meta_objects();
    return true;
  }();
  static_cast<void>(registered);
  caf::actor_system_config config;
  config.set("caf.scheduler.policy", "testing");
  config.set("caf.logger.console.verbosity", "quiet");
  return config;
}

} // namespace

// -- sim_world ----------------------------------------------------------------

sim_world::sim_world(std::uint64_t seed, sim_options options)
  : options_(options), random_(seed), net_(clock_, seed ^ 0x6e6574, options.net) {}

sim_world::~sim_world() {
  clock_.schedule.clear();
}

timestamp sim_world::time_of_day(const std::string& host) const {
  auto found = clock_errors_.find(host);
  return timestamp{std::chrono::seconds{1'700'000'000}} + now().time_since_epoch() +
         (found == clock_errors_.end() ? std::chrono::nanoseconds{0} : found->second);
}

void sim_world::freeze(const std::string& host) {
  for (auto* process : processes_)
    if (process->host_ == host && std::exchange(process->awake_since_, std::nullopt))
      net_.freeze(host);
}

void sim_world::thaw(const std::string& host) {
  for (auto* process : processes_)
    if (process->host_ == host && !process->awake_since_) {
      process->awake_since_ = now();
      net_.thaw(host);
    }
}

void sim_world::after(caf::timespan delay, std::function<void()> work) {
  clock().schedule(now() + delay, caf::make_action(std::move(work)));
}

bool sim_world::run_until(const std::function<bool()>& done, caf::timespan limit) {
  auto latest = now() + limit;
  while (!done()) {
    if (run_job())
      continue;
    auto* next = next_clock(latest);
    if (!next) {
      set_time(latest);
      return done();
    }
    set_time(std::max(now(), next->schedule.begin()->first));
    next->advance_time({});
  }
  return true;
}

void sim_world::run_for(caf::timespan duration) {
  run_until([] { return false; }, duration);
}

std::uint64_t sim_world::trace() const noexcept {
  return net_.trace() ^ (jobs_ * 0x9e3779b97f4a7c15);
}

/// Runs one message of some actor that has one; the seed says whose.
bool sim_world::run_job() {
  std::size_t count = 0;
  for (auto* process : processes_)
    count += !process->awake_since_ ? 0 : process->scheduler_->jobs.size();
  if (count == 0)
    return false;
  auto pick = count == 1 ? 0 : random_below(count);
  for (auto* process : processes_) {
    if (!process->awake_since_)
      continue;
    auto& jobs = process->scheduler_->jobs;
    if (pick < jobs.size()) {
      std::swap(jobs.front(), jobs[pick]);
      process->scheduler_->run_once();
      ++jobs_;
      return true;
    }
    pick -= jobs.size();
  }
  return false;
}

caf::detail::test_actor_clock* sim_world::next_clock(time_point latest) {
  caf::detail::test_actor_clock* first = nullptr;
  auto look_at = [&](caf::detail::test_actor_clock& clock) {
    auto& events = clock.schedule;
    while (!events.empty() && events.begin()->second.f.disposed())
      events.erase(events.begin());
    if (!events.empty() && events.begin()->first <= latest) {
      latest = events.begin()->first;
      first = &clock;
    }
  };
  look_at(clock_);
  for (auto* process : processes_)
    if (process->awake_since_)
      look_at(process->scheduler_->clock());
  return first;
}

void sim_world::set_time(time_point now) {
  clock_.current_time = now;
  for (auto* process : processes_)
    process->scheduler_->clock().current_time = now;
}

// -- sim_executor -------------------------------------------------------------

void sim_executor::post(std::function<void()> work) {
  if (!pending_)
    return;
  auto number = next_++;
  pending_->emplace(number, std::move(work));
  auto longest = static_cast<std::uint64_t>(world_.options_.max_io_delay.count());
  world_.after(caf::timespan{static_cast<std::int64_t>(world_.random_below(longest + 1))},
    [table = std::weak_ptr{pending_}, number] {
      if (auto alive = table.lock())
        alive->extract(number).mapped()();
    });
}

// -- sim_process --------------------------------------------------------------

sim_process::sim_process(sim_world& world, std::string host, sim_file_system& files, std::uint64_t seed)
  : world_(world), host_(std::move(host)), awake_since_(world.now()), net_(world.net().join(host_)),
    io_(std::make_unique<sim_executor>(world)), env_{*net_, files, *io_,
                                                  [&world, host = host_] { return world.time_of_day(host); }, seed},
    config_(testing_config()), system_(std::make_unique<caf::actor_system>(config_)),
    scheduler_(&dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler())) {
  scheduler_->clock().current_time = world_.now();
  world_.processes_.push_back(this);
}

sim_process::~sim_process() {
  world_.thaw(host_);
  std::erase(world_.processes_, this);
  world_.net().kill(host_);
  io_->stop();
  for (auto& actor : owned_)
    caf::anon_send_exit(actor, caf::exit_reason::kill);
  owned_.clear();
  scheduler_->run();
  if (auto left = system_->registry().running(); left > 0) {
    fmt::print(stderr, "{}: {} actors outlive their process\n", host_, left);
    std::abort();
  }
  scheduler_->clock().schedule.clear();
}

} // namespace sluice::test

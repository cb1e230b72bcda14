#include "tests/simulation/spine_faults.hpp"

#include <array>

#include <fmt/format.h>

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t much_space = std::uint64_t{1} << 40;

} // namespace

template <class F>
void spine_faults::after(caf::timespan delay, F work) {
  ++pending_;
  cluster_.world.after(delay, [this, work] {
    --pending_;
    work();
  });
}

void spine_faults::schedule() {
  auto count = cluster_.world.random_below(16);
  for (std::uint64_t i = 0; i < count; ++i)
    after(cluster_.random_scale(cluster_.busy_time), [this] { strike(); });
  if (cluster_.further.one_in(3))
    after(caf::timespan{static_cast<std::int64_t>(cluster_.further.below(cluster_.busy_time.count()))},
      [this] { strike_shippers_disk(); });
}

void spine_faults::strike() {
  switch (cluster_.world.random_below(20)) {
  case 0:
  case 1:
    crash(cluster_.some_receiver());
    break;
  case 2:
  case 3:
    crash_within_commit(cluster_.some_receiver());
    break;
  case 4:
  case 5:
    kill_shipper(cluster_.some_shipper());
    break;
  case 6:
    partition();
    break;
  case 7:
    slow_down();
    break;
  case 8:
    freeze(cluster_.some_receiver().where().host);
    break;
  case 9:
    freeze(cluster_.some_shipper().host());
    break;
  case 10:
    shift_clock();
    break;
  case 11:
    ++cluster_.seen["full disks"];
    fill_disk(cluster_.some_receiver().files());
    break;
  case 12:
    ++cluster_.seen["failing disks"];
    fail_disk(cluster_.some_receiver().files(), "/");
    break;
  case 13:
    lose_connections();
    break;
  case 14:
    kill_actor(cluster_.some_shipper());
    break;
  case 15:
    kill_actor(cluster_.some_receiver());
    break;
  default:
    lose_connection();
  }
}

void spine_faults::lose_connection() {
  cluster_.seen["lost connections"] += cluster_.world.net().lose_one();
}

void spine_faults::partition() {
  ++cluster_.seen["partitions"];
  auto& net = cluster_.world.net();
  auto& shipper = cluster_.some_shipper().host();
  auto& receiver = cluster_.some_receiver().where().host;
  auto ways = cluster_.world.random_below(3);
  if (ways != 0)
    net.stall(shipper, receiver);
  if (ways != 1)
    net.stall(receiver, shipper);
  after(cluster_.random_scale(60s), [&net] { net.heal(); });
}

void spine_faults::slow_down() {
  ++cluster_.seen["slow peers"];
  auto& net = cluster_.world.net();
  auto& host = cluster_.one_in(2) ? cluster_.some_shipper().host() : cluster_.some_receiver().where().host;
  net.slow_down(host, 64 << cluster_.world.random_below(12));
  after(cluster_.random_scale(120s), [&net] { net.heal(); });
}

void spine_faults::freeze(const std::string& host) {
  ++cluster_.seen["frozen processes"];
  cluster_.world.freeze(host);
  after(cluster_.random_scale(60s), [this, host] { cluster_.world.thaw(host); });
}

void spine_faults::shift_clock() {
  ++cluster_.seen["clock jumps"];
  auto& host = cluster_.one_in(2) ? cluster_.some_shipper().host() : cluster_.some_receiver().where().host;
  auto by = cluster_.random_scale(10h);
  cluster_.world.shift_time_of_day(host, cluster_.one_in(2) ? by : -by);
}

void spine_faults::crash(sim_receiver& receiver) {
  if (!receiver.is_up() || crashing_.contains(&receiver))
    return;
  ++cluster_.seen["receiver crashes"];
  if (!cluster_.one_in(4))
    return fail_power(receiver);
  receiver.kill();
  restart(receiver, cluster_.random_scale(10s));
}

void spine_faults::crash_within_commit(sim_receiver& receiver) {
  if (!receiver.is_up() || !crashing_.insert(&receiver).second)
    return;
  ++cluster_.seen["receiver crashes"];
  receiver.files().power_off_after(1 + cluster_.world.random_below(16));
  after(cluster_.random_scale(2s), [this, &receiver] {
    crashing_.erase(&receiver);
    fail_power(receiver);
  });
}

void spine_faults::fail_power(sim_receiver& receiver) {
  receiver.crash();
  restart(receiver, cluster_.random_scale(10s));
}

/// A receiver that does not start on a bad disk is started again and again.
void spine_faults::restart(sim_receiver& receiver, caf::timespan delay) {
  after(delay, [this, &receiver] {
    if (receiver.is_up())
      return;
    auto started = receiver.start();
    if (started)
      return;
    auto is_excused = bad_disks_.contains(&receiver.files()) || crashing_.contains(&receiver);
    if (is_excused && (started.error().code == errc::io_error || started.error().code == errc::storage_full))
      restart(receiver, 1s);
    else if (cluster_.failure.empty())
      cluster_.failure = fmt::format("{} does not start: {}", receiver.where().host, started.error().message);
  });
}

void spine_faults::kill_shipper(sim_shipper& shipper) {
  if (!shipper.is_up() || !ending_.insert(&shipper).second)
    return;
  ++pending_;
  ++cluster_.seen["shipper kills"];
  cluster_.kill(shipper, [this, &shipper] {
    --pending_;
    ending_.erase(&shipper);
    if (cluster_.one_in(4))
      shipper.crash();
    after(cluster_.random_scale(5s), [&shipper] { shipper.start(); });
  });
}

void spine_faults::kill_actor(sim_shipper& shipper) {
  if (!shipper.is_up())
    return;
  ++cluster_.seen["actors killed"];
  constexpr std::array names{"source", "batcher", "compressor", "spool", "shipper"};
  kill_child(shipper.process(), shipper.pipeline(), names[cluster_.world.random_below(names.size())]);
}

void spine_faults::kill_actor(sim_receiver& receiver) {
  if (!receiver.is_up())
    return;
  ++cluster_.seen["actors killed"];
  constexpr std::array names{"storage-writer", "acceptor", "receiver"};
  kill_child(receiver.process(), receiver.pipeline(), names[cluster_.world.random_below(names.size())],
    cluster_.world.random_below(16));
}

/// Everybody loses connections again and again for a while.
void spine_faults::lose_connections() {
  auto count = 1 + cluster_.world.random_below(32);
  for (std::uint64_t i = 0; i < count; ++i)
    after(cluster_.random_scale(2s), [this] { lose_connection(); });
}

/// The one with its spool, notes and checkpoints. Files that are shipped once are given up when their notes fail.
void spine_faults::strike_shippers_disk() {
  auto& shipper = *cluster_.shippers[cluster_.further.below(cluster_.shippers.size())];
  if (!shipper.follows() || bad_disks_.contains(&shipper.files()))
    return;
  shipper.disk_fails();
  if (cluster_.further.one_in(2)) {
    ++cluster_.seen["full disks of shippers"];
    fill_disk(shipper.files());
  } else {
    ++cluster_.seen["failing disks of shippers"];
    fail_disk(shipper.files(), "/state");
  }
}

void spine_faults::fill_disk(sim_file_system& disk) {
  if (!bad_disks_.insert(&disk).second)
    return;
  disk.set_capacity(disk.used_bytes() + cluster_.world.random_below(16 * 1024));
  mend(disk, cluster_.random_scale(30s));
}

void spine_faults::fail_disk(sim_file_system& disk, const std::filesystem::path& folder) {
  if (!bad_disks_.insert(&disk).second)
    return;
  disk.fail_calls(1 << cluster_.world.random_below(10), errc::io_error, folder);
  mend(disk, cluster_.random_scale(10s));
}

void spine_faults::mend(sim_file_system& disk, caf::timespan delay) {
  after(delay, [this, &disk] {
    disk.set_capacity(much_space);
    disk.fail_calls(0, errc::io_error);
    bad_disks_.erase(&disk);
    for (auto& x : cluster_.shippers)
      if (&x->files() == &disk)
        x->disk_works();
  });
}

} // namespace sluice::test

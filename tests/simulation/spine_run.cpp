#include "tests/simulation/spine_run.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "actors/query/query.hpp"
#include "actors/query/query_output.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

constexpr auto fault_time = 5s; ///< After which nothing fails any more.
constexpr std::uint64_t max_line_bytes = 9'000;
constexpr auto patience = 600s; ///< For the drain, from the start.

const endpoint receiver_address{"sim", "receiver", 1};

/// Lines of any bytes: empty, long, with NUL, CR and what is not UTF-8, the last one with or without LF.
std::string hostile_text(sim_world& world, std::uint64_t max_bytes) {
  std::string text;
  for (auto bytes = world.random_below(max_bytes + 1); text.size() < bytes;) {
    std::uint64_t style = world.random_below(16);
    auto length = style == 0 ? 0 : style == 1 ? world.random_below(max_line_bytes) : world.random_below(200);
    for (std::uint64_t i = 0; i < length; ++i) {
      auto byte = style < 6 ? static_cast<char>(world.random_below(256)) : static_cast<char>('a' + i % 26);
      text += byte == '\n' ? '\r' : byte;
    }
    text += style == 7 ? "\r\n" : "\n";
  }
  if (!text.empty() && world.random_below(2) == 0)
    text.pop_back();
  return text;
}

class spine_run {
public:
  spine_run(std::uint64_t seed, const spine_options& options)
    : seed_(seed), world_(seed, surroundings(seed)), receiver_(world_, receiver_address, seed, store(), accept()) {
    if (options.disk_ignores_syncs)
      receiver_.files().ignore_syncs();
    auto shippers = 1 + world_.random_below(3);
    for (std::uint64_t i = 0; i < shippers; ++i)
      add_shipper(i);
    if (world_.random_below(8) == 0)
      add_twin(*shippers_.front());
  }

  spine_result run() {
    try {
      receiver_.start();
      for (auto& x : shippers_)
        x->start();
      schedule_faults();
      result_.failure = check();
    } catch (const std::exception& failure) {
      result_.failure = failure.what();
    }
    result_.trace = world_.trace();
    result_.seen.torn_tails = receiver_.torn_tails();
    return result_;
  }

private:
  /// Some worlds are fast, some slow.
  static sim_options surroundings(std::uint64_t seed) {
    return {.net = {.min_delay = 50us, .max_delay = 1ms * (1 << seed % 6), .pipe_bytes = 16 * 1024},
      .max_io_delay = 1ms * (1 << seed % 9)};
  }

  store_options store() { return {.segment_bytes = 4 * 1024 + world_.random_below(64 * 1024)}; }

  acceptor_config accept() { return {.receiver = {.window_bytes = 1 + world_.random_below(32 * 1024)}}; }

  void add_shipper(std::uint64_t number) {
    auto host = fmt::format("shipper-{}", number);
    ship_pipeline_config config;
    config.source.producer.fill(static_cast<std::uint8_t>(number + 1));
    config.source.limits.max_record_bytes = world_.random_below(4) == 0 ? 512 : 16 * 1024;
    config.source.window_bytes = 1 + world_.random_below(64 * 1024);
    if (auto set = config.source.labels.set("host", host); !set)
      result_.failure = set.error().message;
    config.batch = {.max_bytes = 256 + world_.random_below(4 * 1024),
      .max_events = static_cast<std::uint32_t>(1 + world_.random_below(64)),
      .timeout = 100ms};
    config.how.method = world_.random_below(2) == 0 ? codec::none : codec::zstd;
    config.ship.to = receiver_address;
    config.ship.retry = {.initial = 1ms * (1 << world_.random_below(8)), .max = 2s};
    config.ship.max_queued_bytes = 1 + world_.random_below(16 * 1024);
    auto made = std::make_unique<sim_shipper>(world_, host, seed_ * 16 + number, config);
    auto files = 1 + world_.random_below(4);
    for (std::uint64_t i = 0; i < files; ++i)
      made->add_file(fmt::format("/logs/{}.log", i), hostile_text(world_, 30'000));
    shippers_.push_back(std::move(made));
  }

  /// The same agent ships the same files a second time, at the same time: whoever started first may be fenced.
  void add_twin(sim_shipper& other) {
    auto config = other.config();
    auto paths = std::exchange(config.source.paths, {});
    config.batch.max_bytes = 256 + world_.random_below(4 * 1024);
    auto made = std::make_unique<sim_shipper>(world_, "twin", seed_ * 16 + 15, config);
    for (auto& path : paths)
      made->add_file(path, other.files().content(path));
    made->join(other);
    shippers_.push_back(std::move(made));
    has_twin_ = true;
  }

  // -- faults -----------------------------------------------------------------

  caf::timespan random_time(caf::timespan limit) {
    return caf::timespan{static_cast<std::int64_t>(world_.random_below(static_cast<std::uint64_t>(limit.count())))};
  }

  /// Short times are as likely as long ones.
  caf::timespan random_scale(caf::timespan limit) {
    return random_time(limit / (std::int64_t{1} << world_.random_below(10)));
  }

  void schedule_faults() {
    auto faults = world_.random_below(16);
    for (std::uint64_t i = 0; i < faults; ++i)
      world_.after(random_scale(fault_time), [this] { strike(); });
  }

  void strike() {
    switch (world_.random_below(8)) {
    case 0:
      crash_receiver(false);
      break;
    case 1:
      crash_receiver(true);
      break;
    case 2:
      kill_shipper();
      break;
    case 3:
      partition();
      break;
    default:
      result_.seen.lost_connections += world_.net().lose_one();
    }
  }

  void crash_receiver(bool in_the_middle_of_a_commit) {
    if (!receiver_.is_up() || is_crashing_)
      return;
    ++result_.seen.crashes;
    if (in_the_middle_of_a_commit) {
      is_crashing_ = true;
      receiver_.files().power_off_after(1 + world_.random_below(16));
      world_.after(random_scale(2s), [this] { fail_power(); });
    } else if (world_.random_below(4) == 0) {
      receiver_.kill();
      restart_receiver();
    } else {
      fail_power();
    }
  }

  void fail_power() {
    is_crashing_ = false;
    receiver_.crash();
    restart_receiver();
  }

  void restart_receiver() {
    world_.after(random_scale(10s), [this] { receiver_.start(); });
  }

  void kill_shipper() {
    auto& x = *shippers_[world_.random_below(shippers_.size())];
    if (!x.is_up())
      return;
    ++result_.seen.shipper_kills;
    x.kill();
    world_.after(random_scale(5s), [&x] { x.start(); });
  }

  void partition() {
    ++result_.seen.partitions;
    auto& host = shippers_[world_.random_below(shippers_.size())]->host();
    auto ways = world_.random_below(3);
    if (ways != 0)
      world_.net().stall(host, receiver_address.host);
    if (ways != 1)
      world_.net().stall(receiver_address.host, host);
    world_.after(random_scale(60s), [this] { world_.net().heal(); });
  }

  // -- the oracle -------------------------------------------------------------

  std::string check() {
    if (!result_.failure.empty())
      return result_.failure;
    if (!world_.run_until([this] { return all_drained(); }, patience))
      return "not all was acknowledged: " + where_they_stand();
    for (auto& x : shippers_)
      if (!x->outcome() && !is_fenced(*x))
        return fmt::format("{}: {}", x->host(), x->outcome().error().message);
    // The last partition heals, and links that broke without a word are noticed.
    world_.run_for(120s);
    for (auto step : {&spine_run::check_ledgers, &spine_run::check_quiet, &spine_run::check_store})
      if (auto failure = (this->*step)(); !failure.empty())
        return failure;
    return {};
  }

  static bool is_fenced(const sim_shipper& x) {
    return !x.is_newest() && !x.outcome() && x.outcome().error().code == errc::stale_epoch;
  }

  bool all_drained() const {
    return receiver_.is_up() && !is_crashing_ &&
           std::all_of(shippers_.begin(), shippers_.end(), [](auto& x) { return x->is_up() && x->is_drained(); });
  }

  std::string where_they_stand() {
    std::string text;
    for (auto& x : shippers_) {
      if (!x->is_up())
        continue;
      auto status = x->process().ask<ship_status>(x->pipeline().shipper, status_atom_v);
      world_.run_for(1s);
      if (*status && **status)
        text += fmt::format("{}: {}, {} streams, {} frames pending, {}; ", x->host(), (**status)->state,
          (**status)->streams, (**status)->pending_frames, (**status)->last_error.message);
    }
    return text;
  }

  std::string check_ledgers() {
    auto check_process = [](const std::string& host, const stats_snapshot& metrics,
                           std::initializer_list<const char*> components, bool may_hold = false) -> std::string {
      for (std::string component : components)
        if (auto found = ledger_of(metrics, component); !found.balances() || (found.held != 0 && !may_hold))
          return fmt::format("{}: the ledger of {} does not balance: {}", host, component, to_string(found));
      return {};
    };
    for (auto& x : shippers_) {
      auto metrics = metrics_of(world_, x->process(), x->stats);
      result_.seen.made_again +=
        static_cast<std::uint64_t>(total(metrics, "component_discarded_events_total", {{"reason", "made_again"}}));
      result_.seen.fenced += is_fenced(*x);
      auto failure = check_process(x->host(), metrics, {"source", "batcher", "compressor", "shipper"}, is_fenced(*x));
      if (!failure.empty())
        return failure;
      for (auto [from, to] : {std::pair{"source", "batcher"}, {"batcher", "compressor"}, {"compressor", "shipper"}})
        if (auto sent = ledger_of(metrics, from).sent, received = ledger_of(metrics, to).received; sent != received)
          return fmt::format("{}: {} has sent {}, but {} has received {}", x->host(), from, sent, to, received);
    }
    auto metrics = metrics_of(world_, receiver_.process(), receiver_.stats);
    result_.seen.duplicates += static_cast<std::uint64_t>(total(
      metrics, "component_discarded_events_total", {{"component_id", "storage-writer"}, {"reason", "duplicate"}}));
    return check_process("receiver", metrics, {"receiver", "storage-writer"});
  }

  std::string check_quiet() {
    auto before = world_.net().delivered();
    world_.run_for(60s);
    auto after = world_.net().delivered();
    return before == after ? "" : fmt::format("{} messages after the end", after - before);
  }

  /// What was acknowledged must be there though the power fails now.
  std::string check_store() {
    receiver_.crash();
    receiver_.start();
    std::string problem;
    auto on_damage = [&](const damage& x) { problem = to_string(x); };
    auto verified = verify_store(receiver_.files(), receiver_.folder(), on_damage);
    if (!verified)
      return verified.error().message;
    if (verified->problems > 0 || verified->tail)
      return "verify: " + problem;
    std::uint64_t records = 0;
    auto cuts_lines = false;
    for (auto& x : std::span{shippers_}.first(shippers_.size() - has_twin_))
      for (auto& path : x->config().source.paths) {
        auto expected = x->files().content(path);
        records += count_lines(expected);
        cuts_lines |= x->config().source.limits.max_record_bytes < max_line_bytes;
        if (auto failure = compare(x->host(), path, expected); !failure.empty())
          return failure;
      }
    result_.seen.records = verified->records;
    if (cuts_lines ? verified->records < records : verified->records != records)
      return fmt::format("{} records are stored, {} were shipped", verified->records, records);
    return {};
  }

  std::string compare(const std::string& host, const std::string& path, const std::string& wanted) {
    std::string found;
    auto writer = make_query_writer(query_format::raw, [&](byte_view bytes) {
      found += as_text(bytes);
      return true;
    });
    query_options query;
    query.labels = {{"host", host}, {"source", path}};
    auto done = run_query(receiver_.files(), receiver_.folder(), query, *writer, [](const damage&) {});
    writer->finish();
    if (!done)
      return done.error().message;
    if (found == wanted)
      return {};
    auto differ = std::mismatch(found.begin(), found.end(), wanted.begin(), wanted.end());
    return fmt::format("{}: {}: {} bytes are stored of {}; they differ from byte {}", host, path, found.size(),
      wanted.size(), differ.first - found.begin());
  }

  std::uint64_t seed_;
  spine_result result_;
  sim_world world_;
  sim_receiver receiver_;
  std::vector<std::unique_ptr<sim_shipper>> shippers_;
  bool has_twin_ = false; ///< The last shipper.
  bool is_crashing_ = false;
};

} // namespace

void spine_coverage::add(const spine_coverage& x) noexcept {
  records += x.records;
  lost_connections += x.lost_connections;
  partitions += x.partitions;
  crashes += x.crashes;
  shipper_kills += x.shipper_kills;
  torn_tails += x.torn_tails;
  duplicates += x.duplicates;
  made_again += x.made_again;
  fenced += x.fenced;
}

std::string to_string(const spine_coverage& x) {
  return fmt::format(
    "{} records, {} lost connections, {} partitions, {} receiver crashes, {} shipper kills, {} torn tails, "
    "{} records doubly sent, {} made again, {} shippers fenced",
    x.records, x.lost_connections, x.partitions, x.crashes, x.shipper_kills, x.torn_tails, x.duplicates, x.made_again,
    x.fenced);
}

spine_result run_spine(std::uint64_t seed, const spine_options& options) {
  return spine_run{seed, options}.run();
}

} // namespace sluice::test

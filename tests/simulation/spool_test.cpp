#include <algorithm>
#include <array>
#include <cstdlib>

#include <caf/telemetry/metric_registry.hpp>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/query/query.hpp"
#include "actors/query/query_output.hpp"
#include "actors/ship_pipeline.hpp"
#include "actors/source/pipe_reader.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint receiver_address{"sim", "receiver", 1};
constexpr auto spool_folder = "/state/spool";
constexpr auto log_path = "/log";
constexpr auto fault_time = 5s; ///< After which nothing fails any more.

/// What programs have written into a pipe that outlives its readers.
struct pipe_content {
  std::string text;
  std::size_t taken = 0;
};

/// Its reading end. Gives bits, and now and then nothing.
class sim_pipe : public file {
public:
  sim_pipe(sim_world& world, pipe_content& from) : world_(world), from_(from) {}

  expected<std::optional<std::size_t>> read_some(std::span<std::byte> into, std::chrono::milliseconds) override {
    if (from_.taken < from_.text.size() && world_.random_below(4) == 0)
      return std::nullopt;
    auto count = std::min({into.size(), from_.text.size() - from_.taken, std::size_t{1} + world_.random_below(3'000)});
    std::memcpy(into.data(), from_.text.data() + from_.taken, count);
    from_.taken += count;
    return count;
  }

  expected<file_info> info() override {
    file_info made;
    made.regular = false;
    return made;
  }

  expected<std::size_t> read_at(std::span<std::byte>, std::uint64_t) override { return refuse(); }
  expected<void> write_at(std::span<const byte_view>, std::uint64_t) override { return refuse(); }
  expected<void> sync() override { return refuse(); }
  expected<void> truncate(std::uint64_t) override { return refuse(); }

private:
  static tl::unexpected<error> refuse() { return fail(errc::invalid_argument, "a pipe"); }

  sim_world& world_;
  pipe_content& from_;
};

struct spool_coverage {
  std::uint64_t kills = 0, actor_kills = 0, power_failures = 0, left_over = 0, dropped = 0, unconfirmed = 0;
};

enum class spool_use {
  block,       ///< A pipe, whose reading stops when the spool is full.
  drop_oldest, ///< A pipe; the spool drops its oldest when it is full.
  drop_newest, ///< A pipe; the spool drops what comes when it is full.
  spill,       ///< A file, which some processes ship through the spool and some past it.
};

/// Processes on one machine ship what they read through a spool, one after the other because each is killed, over a
/// network with faults, to a receiver that crashes too.
class spool_run {
public:
  spool_run(std::uint64_t seed, spool_use use, bool disk_ignores_syncs = false)
    : use_(use), seed_(seed), world_(seed, surroundings(seed)), receiver_(world_, receiver_address, seed, {}, {}),
      files_(seed) {
    if (disk_ignores_syncs)
      files_.ignore_syncs();
    auto lines = 100 + world_.random_below(2'000);
    for (std::uint64_t i = 0; i < lines; ++i)
      pipe_.text += fmt::format("{} {}\n", i, std::string(world_.random_below(100), 'x'));
    if (world_.random_below(2) == 0)
      pipe_.text.pop_back();
    if (use == spool_use::spill)
      files_.set_content(log_path, pipe_.text);
  }

  std::string run() {
    receiver_.start();
    start();
    auto faults = 1 + world_.random_below(12);
    for (std::uint64_t i = 0; i < faults; ++i)
      world_.after(caf::timespan{static_cast<std::int64_t>(
                     world_.random_below(std::uint64_t{fault_time.count()} * 1'000'000'000))},
        [this] { strike(); });
    world_.run_for(fault_time);
    if (!world_.run_until([this] { return process_ && drained_ && drained_->has_value(); }, 600s))
      return "not all was acknowledged";
    if (!drained_->value())
      return drained_->value().error().message;
    if (auto failure = check_end(); !failure.empty())
      return failure;
    return check_store();
  }

  spool_coverage seen;

private:
  /// What one process has taken from the pipe.
  struct reader {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t confirmed = 0; ///< Bytes that its spool had told to be durable when it was killed.
  };

  static sim_options surroundings(std::uint64_t seed) {
    return {.net = {.min_delay = 50us, .max_delay = 1ms * (1 << seed % 6), .pipe_bytes = 16 * 1024},
      .max_io_delay = 1ms * (1 << seed % 7)};
  }

  void start() {
    process_ = std::make_unique<sim_process>(world_, "client", files_, seed_ * 64 + readers_.size());
    ship_pipeline_config config;
    config.batch = {.max_bytes = 256 + seed_ % 3 * 4 * 1024, .timeout = 100ms};
    config.intensity.restarts = 100;
    config.ship.to = {receiver_address};
    config.ship.retry = {.initial = 10ms, .max = 1s};
    config.ship.epoch = config.source.epoch = readers_.size() + 1;
    config.source.producer.fill(7);
    config.source.window_bytes = 32 * 1024;
    EXPECT_TRUE(config.source.labels.set("reader", name_of(readers_.size())));
    if (use_ == spool_use::spill)
      config.source.paths = {log_path};
    else
      add_pipe(config.source);
    config.spool = make_spool_config();
    pipeline_ = process_->own(spawn_ship_pipeline(process_->system(), process_->env(), config));
    stats_ = process_->own(spawn_stats_aggregator(process_->system(), process_->env(), {}));
    drained_ = process_->ask<ship_report>(pipeline_, drain_atom_v);
    readers_.push_back({pipe_.taken, 0, 0});
  }

  void add_pipe(file_source_config& source) {
    source.paths = {"-"};
    source.pipes["-"] = std::make_shared<pipe_reader>("-", random_id(), std::make_shared<sim_pipe>(world_, pipe_));
  }

  spool_config make_spool_config() {
    spool_config made;
    made.folder = spool_folder;
    made.limits.least_segment_bytes = 1024 + seed_ % 8 * 1024;
    made.limits.max_bytes = 16 * 1024 + seed_ % 5 * 64 * 1024;
    made.window_bytes = 1 + seed_ % 7 * 4 * 1024;
    if (use_ == spool_use::drop_oldest)
      made.when_full = spool_overflow::drop_oldest;
    if (use_ == spool_use::drop_newest)
      made.when_full = spool_overflow::drop_newest;
    made.takes_all = world_.random_below(3) != 0;
    return made;
  }

  /// What the stream is labelled with: a file's is always the same one.
  std::string name_of(std::size_t reader) const { return use_ == spool_use::spill ? "all" : std::to_string(reader); }

  id128 random_id() {
    id128 made;
    std::ranges::generate(made, [this] { return static_cast<std::uint8_t>(world_.random_below(256)); });
    return made;
  }

  std::size_t written() {
    return static_cast<std::size_t>(
      process_->system().metrics().counter_singleton("sluice", "spool-written", "", "bytes", true)->value());
  }

  void kill() {
    auto& last = readers_.back();
    last.end = pipe_.taken;
    last.confirmed = written();
    seen.unconfirmed += last.end - last.begin - last.confirmed;
    pipeline_ = nullptr;
    stats_ = nullptr;
    drained_.reset();
    process_.reset();
  }

  void strike() {
    switch (world_.random_below(8)) {
    case 0:
      receiver_down(true);
      break;
    case 1:
      receiver_down(false);
      break;
    case 2:
      world_.net().stall("client", "receiver");
      world_.after(30s, [this] { world_.net().heal(); });
      break;
    case 3:
      world_.net().lose_one();
      break;
    case 4:
    case 5:
      kill_actor();
      break;
    default:
      client_down(world_.random_below(2) == 0);
    }
  }

  void receiver_down(bool power_fails) {
    if (!receiver_.is_up())
      return;
    power_fails ? receiver_.crash() : receiver_.kill();
    world_.after(1s, [this] { receiver_.start(); });
  }

  void kill_actor() {
    constexpr std::array names{"shipper", "spool", "spool", "compressor", "batcher", "source"};
    if (!process_ || drained_->has_value())
      return;
    ++seen.actor_kills;
    kill_child(*process_, pipeline_, names[world_.random_below(names.size())]);
  }

  void client_down(bool power_fails) {
    if (!process_ || drained_->has_value())
      return;
    ++seen.kills;
    kill();
    if (power_fails) {
      ++seen.power_failures;
      files_.crash();
    }
    world_.after(100ms, [this] {
      seen.left_over += has_segments();
      start();
    });
  }

  bool has_segments() {
    auto found = list_segments(files_, spool_folder);
    return found && !found->empty();
  }

  std::string check_end() {
    if (use_ == spool_use::spill)
      pipe_.taken = pipe_.text.size();
    if (pipe_.taken != pipe_.text.size())
      return "the pipe is not empty";
    readers_.back().end = pipe_.taken;
    readers_.back().confirmed = readers_.back().end - readers_.back().begin;
    if (auto spool = drained_->value()->status.spool; spool.waiting_records != 0 || spool.disk_bytes != 0)
      return fmt::format("{} records wait, {} bytes are on disk", spool.waiting_records, spool.disk_bytes);
    auto metrics = metrics_of(world_, *process_, stats_);
    for (std::string component : {"source", "batcher", "compressor", "spool", "shipper"})
      if (auto found = ledger_of(metrics, component); !found.balances() || found.held != 0)
        return fmt::format("the ledger of {} does not balance: {}", component, to_string(found));
    if (has_segments())
      return "the spool is not empty";
    return {};
  }

  std::string check_store() {
    receiver_.crash();
    receiver_.start();
    std::string problem;
    auto verified =
      verify_store(receiver_.files(), receiver_.folder(), [&](const damage& x) { problem = to_string(x); });
    if (!verified || verified->problems > 0)
      return "verify: " + problem;
    if (use_ == spool_use::spill)
      return stored(0) == pipe_.text ? "" : "what is stored is not the file";
    for (std::size_t i = 0; i < readers_.size(); ++i)
      if (auto failure = check_reader(i); !failure.empty())
        return fmt::format("reader {}: {}", i, failure);
    return {};
  }

  std::string check_reader(std::size_t number) {
    auto& reader = readers_[number];
    auto taken = std::string_view{pipe_.text}.substr(reader.begin, reader.end - reader.begin);
    auto found = covered(number);
    seen.dropped += found.gap_records;
    if (found.bytes < reader.confirmed)
      return fmt::format("{} bytes are accounted for, {} were confirmed", found.bytes, reader.confirmed);
    if (auto lines = count_lines(taken.substr(0, found.bytes)); found.records + found.gap_records != lines)
      return fmt::format("{} records are stored and {} dropped of {}", found.records, found.gap_records, lines);
    if (auto text = stored(number); found.gap_records == 0 ? !taken.starts_with(text) : !has_lines(taken, text))
      return "what is stored is not what was read";
    return {};
  }

  /// Whether `some` are lines of `all`, in order.
  static bool has_lines(std::string_view all, std::string_view some) {
    while (!some.empty()) {
      auto line = some.substr(0, some.find('\n') + 1);
      auto at = all.find(line.empty() ? some : line);
      if (at == all.npos)
        return false;
      some.remove_prefix(line.empty() ? some.size() : line.size());
      all.remove_prefix(at + line.size());
    }
    return true;
  }

  struct coverage {
    std::uint64_t bytes = 0, records = 0, gap_records = 0;
  };

  /// What the store knows of what a reader has read.
  coverage covered(std::size_t reader) {
    coverage found;
    auto segments = list_segments(receiver_.files(), receiver_.folder()).value();
    for (auto& segment : segments) {
      auto opened = segment_reader::open(receiver_.files(), segment.path).value();
      for (auto& x : opened.index().frames) {
        if (*opened.index().label_sets[x.labels].find("reader") != name_of(reader))
          continue;
        found.bytes = x.last.position;
        (x.kind == frame_kind::gap ? found.gap_records : found.records) += x.record_count;
      }
    }
    return found;
  }

  std::string stored(std::size_t reader) {
    std::string found;
    auto writer = make_query_writer(query_format::raw, [&](byte_view bytes) {
      found += as_text(bytes);
      return true;
    });
    query_options query;
    query.labels = {{"reader", name_of(reader)}};
    EXPECT_TRUE(run_query(receiver_.files(), receiver_.folder(), query, *writer, [](const damage&) {}));
    writer->finish();
    return found;
  }

  spool_use use_;
  std::uint64_t seed_;
  sim_world world_;
  sim_receiver receiver_;
  sim_file_system files_;
  pipe_content pipe_;
  std::vector<reader> readers_;
  std::unique_ptr<sim_process> process_;
  ship_pipeline_actor pipeline_;
  stats_actor stats_;
  std::shared_ptr<std::optional<expected<ship_report>>> drained_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  auto* given = std::getenv(variable);
  return given ? std::strtoull(given, nullptr, 10) : otherwise;
}

// `SLUICE_SEEDS` says how many seeds, `SLUICE_SEED` replays one.
class spool_simulation : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(std::getenv("SLUICE_SEED") ? spdlog::level::debug : spdlog::level::off); }

  /// Returns whether they were enough to have met everything.
  bool run_seeds(spool_use use) {
    auto single = std::getenv("SLUICE_SEED") != nullptr;
    auto first = number_from("SLUICE_SEED", 1);
    auto count = single ? 1 : number_from("SLUICE_SEEDS", 200);
    for (auto seed = first; seed < first + count; ++seed) {
      spool_run run{seed, use};
      if (auto failure = run.run(); !failure.empty()) {
        ADD_FAILURE() << fmt::format("seed {}: {}; replay with SLUICE_SEED={}", seed, failure, seed);
        return false;
      }
      seen.kills += run.seen.kills;
      seen.actor_kills += run.seen.actor_kills;
      seen.power_failures += run.seen.power_failures;
      seen.left_over += run.seen.left_over;
      seen.dropped += run.seen.dropped;
      seen.unconfirmed += run.seen.unconfirmed;
    }
    return count >= 200;
  }

  spool_coverage seen;
};

} // namespace

TEST_F(spool_simulation, stores_once_what_was_confirmed) {
  if (!run_seeds(spool_use::block))
    return;
  EXPECT_GT(seen.kills, 0u);
  EXPECT_GT(seen.actor_kills, 0u);
  EXPECT_GT(seen.power_failures, 0u);
  EXPECT_GT(seen.left_over, 0u);
  EXPECT_GT(seen.unconfirmed, 0u);
  EXPECT_EQ(seen.dropped, 0u);
}

TEST_F(spool_simulation, accounts_for_the_oldest_that_it_drops) {
  if (run_seeds(spool_use::drop_oldest))
    EXPECT_GT(seen.dropped, 0u);
}

TEST_F(spool_simulation, accounts_for_the_newest_that_it_drops) {
  if (run_seeds(spool_use::drop_newest))
    EXPECT_GT(seen.dropped, 0u);
}

TEST_F(spool_simulation, stores_a_file_once_whether_it_is_spilled_or_not) {
  if (run_seeds(spool_use::spill))
    EXPECT_GT(seen.left_over, 0u);
}

// A frame that a process had sent past the spool was stored behind the point where its successor's spooled frames
// began.
TEST_F(spool_simulation, nothing_comes_between_a_welcome_and_the_frames_that_are_spooled_behind_it) {
  EXPECT_EQ((spool_run{20601, spool_use::spill}.run()), "");
}

// A test of the tests above.
TEST_F(spool_simulation, notices_a_disk_that_forgets) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed)
    if (auto failure = spool_run{seed, spool_use::block, true}.run(); !failure.empty()) {
      fmt::print("seed {}: {}\n", seed, failure);
      return;
    }
  FAIL() << "a disk that ignores syncs was not noticed";
}

} // namespace sluice::test

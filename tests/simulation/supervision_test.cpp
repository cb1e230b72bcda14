#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/query/query.hpp"
#include "actors/query/query_output.hpp"
#include "actors/source/pipe_reader.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint receiver_address{"sim", "receiver", 1};
constexpr auto fault_time = 10s; ///< After which nobody is killed any more.
constexpr restart_intensity any_number{.restarts = 1000};

/// A pipe whose writer writes now and then.
class sim_pipe : public file {
public:
  sim_pipe(std::string content, std::uint64_t seed) : content_(std::move(content)), random_(seed) {}

  expected<std::optional<std::size_t>> read_some(std::span<std::byte> into, std::chrono::milliseconds) override {
    if (at_ < content_.size() && random_() % 3 == 0)
      return std::nullopt;
    auto bytes = std::min({into.size(), content_.size() - at_, std::size_t{1} + random_() % 700});
    std::memcpy(into.data(), content_.data() + at_, bytes);
    at_ += bytes;
    return bytes;
  }

  std::string_view taken() const noexcept { return std::string_view{content_}.substr(0, at_); }

  expected<std::size_t> read_at(std::span<std::byte>, std::uint64_t) override { return fail(unfit()); }
  expected<void> write_at(std::span<const byte_view>, std::uint64_t) override { return fail(unfit()); }
  expected<void> sync() override { return fail(unfit()); }
  expected<void> truncate(std::uint64_t) override { return fail(unfit()); }
  expected<file_info> info() override {
    file_info made;
    made.regular = false;
    return made;
  }

private:
  static error unfit() { return {errc::io_error, "a pipe"}; }

  std::string content_;
  std::size_t at_ = 0;
  std::mt19937_64 random_;
};

enum class until {
  all_is_read,
  it_is_stopped, ///< At a random moment.
};

/// Ships two files and a pipe, perhaps through a spool, while actors are killed, one after the other, until all that
/// was read is acknowledged.
class supervision_run {
public:
  supervision_run(std::uint64_t seed, until end)
    : world_(seed, {.net = {.pipe_bytes = 16 * 1024}, .max_io_delay = 1ms * (1 << seed % 8)}),
      receiver_(world_, receiver_address, seed, store(),
        {.receiver = {.window_bytes = 1 + world_.random_below(32 * 1024)}}, any_number),
      pipe_(std::make_shared<sim_pipe>(lines(world_.random_below(30'000)), seed)),
      shipper_(world_, "shipper", seed, shipper_config_of()), is_stopped_(end == until::it_is_stopped) {
    for (auto path : {"/a.log", "/b.log"}) {
      shipper_.add_file(path, lines(world_.random_below(30'000)));
      wanted_[path] = shipper_.files().content(path);
    }
  }

  /// Returns what is wrong.
  std::string run() {
    EXPECT_TRUE(receiver_.start());
    shipper_.start();
    auto kills = 1 + world_.random_below(12);
    for (std::uint64_t i = 0; i < kills; ++i)
      world_.after(random_time(), [this] { strike(); });
    if (is_stopped_)
      world_.after(random_time(), [this] { caf::anon_send(shipper_.pipeline(), stop_atom_v); });
    if (!world_.run_until([this] { return shipper_.is_drained(); }, 900s))
      return "not all was acknowledged: " + where_it_stands();
    if (!shipper_.outcome())
      return shipper_.outcome().error().message;
    if (auto& errors = shipper_.outcome()->source_errors; !errors.empty())
      return errors.front();
    if (auto left = abandoned().left(); !is_stopped_ && left.streams > 0)
      return fmt::format("{} bytes that were read are said not to be acknowledged", left.bytes);
    world_.run_for(120s);
    for (auto step : {&supervision_run::check_ledgers, &supervision_run::check_quiet, &supervision_run::check_store})
      if (auto problem = (this->*step)(); !problem.empty())
        return problem;
    return {};
  }

  const abandoned_input& abandoned() const { return *shipper_.config().source.abandoned; }

  /// How often each has been started again.
  const std::map<std::string, double>& restarts() const noexcept { return restarts_; }
  std::uint64_t trace() const noexcept { return world_.trace(); }

private:
  store_options store() {
    store_options made;
    made.segment_bytes = 4 * 1024 + world_.random_below(64 * 1024);
    return made;
  }

  ship_pipeline_config shipper_config_of() {
    ship_pipeline_config config;
    config.source.producer.fill(1);
    config.source.window_bytes = 1 + world_.random_below(64 * 1024);
    config.source.paths = {"/pipe"};
    config.source.pipes["/pipe"] = std::make_shared<pipe_reader>("/pipe", id128{7}, pipe_);
    has_spool_ = world_.random_below(2) == 0;
    if (has_spool_) {
      config.spool.emplace();
      config.spool->folder = "/state/spool";
      config.spool->limits.least_segment_bytes = 1024 + world_.random_below(8 * 1024);
      config.spool->window_bytes = 1 + world_.random_below(32 * 1024);
    }
    config.batch = {.max_bytes = 256 + world_.random_below(4 * 1024),
      .max_events = static_cast<std::uint32_t>(1 + world_.random_below(64)),
      .timeout = 100ms};
    config.ship.to = {receiver_address};
    config.ship.retry = {.initial = 1ms * (1 << world_.random_below(8)), .max = 2s};
    config.ship.max_queued_bytes = 1 + world_.random_below(16 * 1024);
    config.intensity = any_number;
    return config;
  }

  std::string lines(std::uint64_t bytes) {
    std::string text;
    while (text.size() < bytes)
      text += std::string(world_.random_below(200), static_cast<char>('a' + world_.random_below(26))) + '\n';
    if (!text.empty() && world_.random_below(2) == 0)
      text.pop_back();
    return text;
  }

  caf::timespan random_time() {
    auto limit = static_cast<std::uint64_t>(caf::timespan{fault_time}.count());
    return caf::timespan{static_cast<std::int64_t>(world_.random_below(limit) >> world_.random_below(10))};
  }

  void strike() {
    auto& at_shipper = shipper_.process();
    auto& at_receiver = receiver_.process();
    switch (world_.random_below(10)) {
    case 0:
      return kill_child(at_shipper, shipper_.pipeline(), "source");
    case 1:
      return kill_child(at_shipper, shipper_.pipeline(), "batcher");
    case 2:
      return kill_child(at_shipper, shipper_.pipeline(), "compressor");
    case 3:
      return kill_child(at_shipper, shipper_.pipeline(), "shipper");
    case 4:
      return kill_child(at_shipper, shipper_.stats, "stats");
    case 5:
      return kill_child(at_receiver, receiver_.pipeline(), "storage-writer");
    case 6:
      return kill_child(at_receiver, receiver_.pipeline(), "acceptor");
    case 7:
      return kill_child(at_receiver, receiver_.pipeline(), "receiver", world_.random_below(100));
    case 8:
      return kill_child(at_shipper, shipper_.pipeline(), "spool");
    default:
      world_.net().lose_one();
    }
  }

  std::string where_it_stands() {
    auto asked = shipper_.process().ask<ship_report>(shipper_.pipeline(), status_atom_v);
    world_.run_for(30s);
    if (!*asked || !**asked)
      return "no answer";
    auto& status = (**asked)->status;
    return fmt::format("{}, {} streams, {} bytes acknowledged, {} frames of {} streams pending, {}", status.state,
      status.streams, status.acked_bytes, status.pending_frames, status.pending_streams, status.last_error.message);
  }

  std::string check_ledgers() {
    struct node {
      sim_process& process;
      const supervisor_actor& stats;
      std::vector<std::string> components;
    };
    for (auto& [process, stats, components] :
      {node{shipper_.process(), shipper_.stats, {"source", "batcher", "compressor", "spool", "shipper"}},
        node{receiver_.process(), receiver_.stats, {"receiver", "storage-writer"}}}) {
      auto metrics = metrics_of(world_, process, stats);
      for (auto& component : components)
        if (auto found = ledger_of(metrics, component); !found.balances() || found.held != 0)
          return fmt::format("the ledger of {} does not balance: {}", component, to_string(found));
      for (auto& sample : metrics.samples)
        if (sample.name == "sluice_actor_restarts_total")
          restarts_[sample.labels.front().second] += sample.value;
    }
    return {};
  }

  std::string check_quiet() {
    auto before = world_.net().delivered();
    world_.run_for(60s);
    auto after = world_.net().delivered();
    return before == after ? "" : fmt::format("{} messages after the end", after - before);
  }

  std::string check_store() {
    receiver_.crash();
    EXPECT_TRUE(receiver_.start());
    std::string problem;
    auto verified =
      verify_store(receiver_.files(), receiver_.folder(), [&](const damage& x) { problem = to_string(x); });
    if (!verified || verified->problems > 0)
      return "verify: " + problem;
    for (auto& [path, content] : wanted_) {
      auto found = stored(path);
      auto wanted = std::string_view{content}.substr(0, is_stopped_ ? found.size() : content.size());
      if (auto differ = compare(path, found, wanted); !differ.empty())
        return differ;
    }
    return compare("/pipe", stored("/pipe"), pipe_->taken());
  }

  static std::string compare(const std::string& path, std::string_view found, std::string_view wanted) {
    if (found == wanted)
      return {};
    auto differ = std::mismatch(found.begin(), found.end(), wanted.begin(), wanted.end());
    return fmt::format("{}: {} bytes are stored of {}; they differ from byte {}", path, found.size(), wanted.size(),
      differ.first - found.begin());
  }

  std::string stored(const std::string& path) {
    std::string found;
    auto writer = make_query_writer(query_format::raw, [&](byte_view bytes) {
      found += as_text(bytes);
      return true;
    });
    query_options query;
    query.labels = {{"source", path}};
    EXPECT_TRUE(run_query(receiver_.files(), receiver_.folder(), query, *writer, [](const damage&) {}));
    writer->finish();
    return found;
  }

  sim_world world_;
  sim_receiver receiver_;
  std::shared_ptr<sim_pipe> pipe_;
  bool has_spool_ = false;
  sim_shipper shipper_;
  bool is_stopped_;
  std::map<std::string, std::string> wanted_; ///< By path.
  std::map<std::string, double> restarts_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  auto* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class supervision_of_pipelines : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// Returns how often each actor was started again, if there were many seeds.
  static std::map<std::string, double> run_seeds(until end) {
    auto single = std::getenv("SLUICE_SEED") != nullptr;
    if (single)
      spdlog::set_level(spdlog::level::debug);
    auto first = number_from("SLUICE_SEED", 1);
    auto count = single ? 1 : number_from("SLUICE_SEEDS", 300);
    std::map<std::string, double> restarts;
    for (auto seed = first; seed < first + count; ++seed) {
      supervision_run run{seed, end};
      auto failure = run.run();
      EXPECT_EQ(failure, "") << fmt::format("seed {}: {}; replay with SLUICE_SEED={}", seed, failure, seed);
      if (!failure.empty())
        return {};
      for (auto& [actor, times] : run.restarts())
        restarts[actor] += times;
    }
    return count >= 100 ? restarts : std::map<std::string, double>{};
  }
};

} // namespace

// `SLUICE_SEEDS` says how many seeds, `SLUICE_SEED` replays one, with the log.
TEST_F(supervision_of_pipelines, loses_and_doubles_nothing_whichever_actor_fails) {
  auto restarts = run_seeds(until::all_is_read);
  for (auto& [actor, times] : restarts)
    fmt::print("{} was started again {} times\n", actor, times);
  if (!restarts.empty())
    for (auto actor : {"source", "batcher", "compressor", "spool", "shipper", "stats", "storage-writer", "acceptor"})
      EXPECT_GT(restarts[actor], 0) << actor;
}

TEST_F(supervision_of_pipelines, brings_what_was_read_to_the_receiver_when_stopped_whichever_actor_fails) {
  run_seeds(until::it_is_stopped);
}

// Its successor reads no files, so they are not acknowledged, and this must be said.
TEST_F(supervision_of_pipelines, tells_what_of_files_was_read_by_a_source_that_fails_once_stopped) {
  sim_world world{1, {}};
  sim_receiver receiver{world, receiver_address, 1, {}, {}};
  ship_pipeline_config config;
  config.ship.to = {receiver_address};
  sim_shipper shipper{world, "shipper", 1, config};
  shipper.add_file("/a.log", "one\ntwo\n");
  ASSERT_TRUE(receiver.start());
  shipper.start();
  auto read = [&] { return metrics_of(world, shipper.process(), shipper.stats); };
  ASSERT_TRUE(world.run_until(
    [&] {
      return total(read(), "component_received_events_total", {{"component_id", "source"}}) > 0;
    },
    10s));
  receiver.kill();
  caf::anon_send(shipper.pipeline(), stop_atom_v);
  world.run_for(10ms);
  auto& abandoned = *shipper.config().source.abandoned;
  EXPECT_EQ(abandoned.left().streams, 0);
  kill_child(shipper.process(), shipper.pipeline(), "source");
  ASSERT_TRUE(receiver.start());
  ASSERT_TRUE(world.run_until([&] { return shipper.is_drained(); }, 100s));
  EXPECT_TRUE(shipper.outcome());
  EXPECT_EQ(abandoned.left().streams, 1);
  EXPECT_EQ(abandoned.left().bytes, 8);
}

// The last ack was still on its way up when the shipper said that all is done.
TEST_F(supervision_of_pipelines, tells_of_nothing_that_is_acknowledged_though_a_source_has_failed) {
  EXPECT_EQ((supervision_run{3729, until::all_is_read}.run()), "");
}

TEST_F(supervision_of_pipelines, runs_the_same_way_for_the_same_seed) {
  supervision_run once{3, until::all_is_read}, twice{3, until::all_is_read}, other{4, until::all_is_read};
  EXPECT_EQ(once.run(), twice.run());
  other.run();
  EXPECT_EQ(once.trace(), twice.trace());
  EXPECT_NE(once.trace(), other.trace());
}

} // namespace sluice::test

#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/query/query.hpp"
#include "actors/query/query_output.hpp"
#include "actors/ship_pipeline.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint receiver_address{"sim", "receiver", 1};
constexpr auto spool_folder = "/state/spool";
constexpr auto fault_time = 10s; ///< After which nothing fails any more.
constexpr restart_intensity any_number{.restarts = 1000};

/// How a program ends.
enum class ending {
  drained,
  killed, ///< And started again, to ship what the first one has left in its spool.
};

/// A program that submits numbered records, while actors are killed and connections break.
class api_run {
public:
  api_run(std::uint64_t seed, ending how, bool disk_ignores_syncs = false)
    : ending_(how), seed_(seed), world_(seed, {.net = {}, .max_io_delay = 1ms * (1 << seed % 8)}),
      receiver_(world_, receiver_address, seed, {}, {.receiver = {.window_bytes = 1 + world_.random_below(32 * 1024)}},
        any_number),
      files_(seed), has_spool_(how == ending::killed || world_.random_below(2) == 0) {
    if (disk_ignores_syncs)
      files_.ignore_syncs();
  }

  /// Returns what is wrong.
  std::string run() {
    EXPECT_TRUE(receiver_.start());
    start();
    for (std::uint64_t i = 0, bursts = 1 + world_.random_below(60); i < bursts; ++i)
      world_.after(random_time(), [this] { submit_some(); });
    for (std::uint64_t i = 0, kills = world_.random_below(12); i < kills; ++i)
      world_.after(random_time(), [this] { strike(); });
    if (ending_ == ending::killed) {
      world_.run_for(random_time());
      kill();
      start();
    }
    world_.run_for(fault_time + 5s);
    queue_->close();
    caf::anon_send(pipeline_, stop_atom_v);
    if (!world_.run_until([this] { return drained_->has_value(); }, 900s))
      return "not all was acknowledged";
    if (!**drained_)
      return (*drained_)->error().message;
    auto counts = queue_->counts();
    if (counts.received != counts.submitted || counts.spooled != counts.submitted)
      return fmt::format("{} submitted, {} taken, {} spooled, {} received, {} batches held; {}", counts.submitted,
        state_->taken_records, counts.spooled, counts.received, state_->records.content.batches().size(),
        check_store());
    world_.run_for(120s);
    return check_store();
  }

  std::size_t dropped() const noexcept { return dropped_; }
  std::size_t confirmed() const noexcept { return confirmed_; }

private:
  void start() {
    ++starts_;
    process_ = std::make_unique<sim_process>(world_, "program", files_, seed_ * 64 + starts_);
    queue_ = std::make_shared<submission_queue>(submission_limits{.ring_bytes = 4096u << world_.random_below(6)});
    ship_pipeline_config config;
    config.api_intake.emplace();
    auto& stream = config.api_intake->stream;
    stream.id.producer.fill(1);
    stream.id.source.fill(static_cast<std::uint8_t>(starts_));
    stream.limits = {.max_bytes = 256 + world_.random_below(4 * 1024),
      .max_events = static_cast<std::uint32_t>(1 + world_.random_below(64)),
      .timeout = 100ms};
    config.api_intake->window_bytes = 1 + world_.random_below(64 * 1024);
    state_ = config.api_intake->state = std::make_shared<api_intake_state>();
    state_->queue = queue_;
    state_->records.content = intake_content{starts_};
    config.ship.epoch = starts_;
    config.ship.on_acked = [queue = queue_, ours = stream.id](const stream_id& id, const stream_point& last) {
      if (id == ours)
        queue->reach(submission_queue::stage::received, last.position);
    };
    config.ship.to = {receiver_address};
    config.ship.retry = {.initial = 1ms * (1 << world_.random_below(8)), .max = 2s};
    if (has_spool_)
      config.spool.emplace().folder = spool_folder;
    config.intensity = any_number;
    pipeline_ = process_->own(spawn_ship_pipeline(process_->system(), process_->env(), std::move(config)));
    drained_ = process_->ask<ship_report>(pipeline_, drain_atom_v);
  }

  /// The number of the start, that of the record, and something to fill it up.
  void submit_some() {
    for (std::uint64_t i = 0, count = 1 + world_.random_below(100); i < count; ++i) {
      auto& submitted = submitted_[starts_];
      auto body = fmt::format("{} {} {}", starts_, submitted.size(), std::string(world_.random_below(300), 'x'));
      auto code = queue_->submit({.body = body, .level = {}, .attributes = {}, .time = process_->env().now()});
      if (code == errc::none)
        submitted.push_back(std::move(body));
      else
        ++dropped_;
    }
  }

  void kill() {
    confirmed_ = queue_->counts().spooled;
    process_.reset();
    files_.crash();
  }

  caf::timespan random_time() {
    auto limit = static_cast<std::uint64_t>(caf::timespan{fault_time}.count());
    return caf::timespan{static_cast<std::int64_t>(world_.random_below(limit) >> world_.random_below(10))};
  }

  void strike() {
    switch (world_.random_below(6)) {
    case 0:
      return kill_child(*process_, pipeline_, "source");
    case 1:
      return kill_child(*process_, pipeline_, "compressor");
    case 2:
      return kill_child(*process_, pipeline_, "shipper");
    case 3:
      return kill_child(*process_, pipeline_, "spool");
    case 4:
      return kill_child(receiver_.process(), receiver_.pipeline(), "storage-writer");
    default:
      world_.net().lose_one();
    }
  }

  /// Of a program that has drained all is stored, of one that was killed what it knew to be spooled and perhaps what
  /// follows that: once and in order.
  std::string check_store() {
    std::map<std::string, std::vector<std::string>> stored;
    std::string text;
    auto writer = make_query_writer(query_format::raw, [&](byte_view bytes) {
      text += as_text(bytes);
      return true;
    });
    EXPECT_TRUE(run_query(receiver_.files(), receiver_.folder(), {}, *writer, [](const damage&) {}));
    writer->finish();
    for (std::size_t at = 0, end; (end = text.find('\n', at)) != text.npos; at = end + 1)
      stored[text.substr(at, text.find(' ', at) - at)].push_back(text.substr(at, end - at));
    for (auto& [start, submitted] : submitted_) {
      auto& found = stored[fmt::to_string(start)];
      auto least = start == starts_ ? submitted.size() : confirmed_;
      if (found.size() < least || found.size() > submitted.size())
        return fmt::format(
          "start {}: {} stored of {}, at least {} confirmed", start, found.size(), submitted.size(), least);
      for (std::size_t i = 0; i < found.size(); ++i)
        if (found[i] != submitted[i])
          return fmt::format("start {}: record {} is '{:.40}'", start, i, found[i]);
    }
    return {};
  }

  const ending ending_;
  const std::uint64_t seed_;
  sim_world world_;
  sim_receiver receiver_;
  sim_file_system files_;
  bool has_spool_;
  std::uint64_t starts_ = 0;
  std::unique_ptr<sim_process> process_;
  std::shared_ptr<submission_queue> queue_;
  std::shared_ptr<api_intake_state> state_;
  ship_pipeline_actor pipeline_;
  std::shared_ptr<std::optional<expected<ship_report>>> drained_;
  std::map<std::uint64_t, std::vector<std::string>> submitted_; ///< By start; what was accepted.
  std::size_t dropped_ = 0, confirmed_ = 0;
};

class intake_of_programs : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// What of all seeds together there must be some.
  struct coverage {
    std::size_t dropped = 0, confirmed = 0;
  };

  static coverage run_seeds(ending how) {
    auto number_from = [](const char* variable, std::uint64_t otherwise) {
      auto* text = std::getenv(variable);
      return text ? std::strtoull(text, nullptr, 10) : otherwise;
    };
    auto single = std::getenv("SLUICE_SEED") != nullptr;
    if (single)
      spdlog::set_level(spdlog::level::debug);
    auto first = number_from("SLUICE_SEED", 1);
    auto count = single ? 1 : number_from("SLUICE_SEEDS", 200);
    coverage seen;
    for (auto seed = first; seed < first + count; ++seed) {
      api_run run{seed, how};
      auto failure = run.run();
      EXPECT_EQ(failure, "") << fmt::format("seed {}: {}; replay with SLUICE_SEED={}", seed, failure, seed);
      if (!failure.empty())
        break;
      seen.dropped += run.dropped();
      seen.confirmed += run.confirmed();
    }
    return seen;
  }
};

} // namespace

// `SLUICE_SEEDS` says how many seeds, `SLUICE_SEED` replays one, with the log.
TEST_F(intake_of_programs, stores_what_was_accepted_once_and_in_order_whatever_fails) {
  EXPECT_GT(run_seeds(ending::drained).dropped, 0);
}

TEST_F(intake_of_programs, stores_what_was_spooled_once_though_the_program_is_killed) {
  EXPECT_GT(run_seeds(ending::killed).confirmed, 0);
}

TEST_F(intake_of_programs, is_found_to_lose_records_on_a_disk_that_ignores_syncs) {
  std::string failure;
  for (std::uint64_t seed = 1; seed <= 100 && failure.empty(); ++seed)
    failure = api_run{seed, ending::killed, true}.run();
  EXPECT_NE(failure, "");
}

} // namespace sluice::test

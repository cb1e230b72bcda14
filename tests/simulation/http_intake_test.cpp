#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/query/query.hpp"
#include "actors/query/query_output.hpp"
#include "tests/support/sim_http.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint listens_on{"http", "gateway", 80};
const endpoint receiver_address{"sim", "receiver", 1};
constexpr auto fault_time = 10s; ///< After which nothing fails any more.
constexpr restart_intensity any_number{.restarts = 1000};

http_request post(std::string_view text) {
  http_request made;
  made.head.method = "POST";
  made.head.path = "/ingest";
  made.body.append(as_bytes(text));
  return made;
}

/// Clients that post lines to a gateway, which ships to a receiver, while actors are killed and connections break.
class http_run {
public:
  explicit http_run(std::uint64_t seed)
    : world_(seed, {.net = {}, .max_io_delay = 1ms * (1 << seed % 8)}),
      receiver_(world_, receiver_address, seed, {}, {.receiver = {.window_bytes = 1 + world_.random_below(32 * 1024)}},
        any_number),
      gateway_(world_, "gateway", gateway_files_, seed) {}

  /// Returns what is wrong. Either the receiver loses its power while requests wait, or the gateway is stopped in
  /// order.
  std::string run(bool is_cut_short) {
    EXPECT_TRUE(receiver_.start());
    start_gateway();
    for (std::uint64_t i = 0, count = 1 + world_.random_below(60); i < count; ++i)
      world_.after(random_time(), [this, i] { send(i); });
    for (std::uint64_t i = 0, kills = world_.random_below(12); i < kills; ++i)
      world_.after(random_time(), [this] { strike(); });
    if (is_cut_short) {
      world_.run_for(random_time());
      return check_store();
    }
    world_.run_for(fault_time + 5s);
    caf::anon_send(pipeline_, stop_atom_v);
    if (!world_.run_until([this] { return drained_->has_value(); }, 900s))
      return "not all was acknowledged";
    world_.run_for(120s);
    for (auto& x : requests_)
      if (!x.sent->answer())
        return fmt::format("request {} has no answer", x.number);
    auto metrics = metrics_of(world_, gateway_, stats_);
    for (auto component : {"intake", "compressor", "shipper"})
      if (auto found = ledger_of(metrics, component); !found.balances() || found.held != 0)
        return fmt::format("the ledger of {} does not balance: {}", component, to_string(found));
    return check_store();
  }

  std::size_t answered() const noexcept { return answered_; }

private:
  struct sent_request {
    std::uint64_t number, lines;
    std::shared_ptr<sim_request> sent;
  };

  void start_gateway() {
    auto state = std::make_shared<http_intake_state>(http_ingest{});
    auto listening = gateway_.env().net.listen(listens_on, http_options{}, state->queue);
    ASSERT_TRUE(listening);
    state->listener = std::move(*listening);
    ship_pipeline_config config;
    config.http_intake.emplace();
    config.http_intake->stream.id.producer.fill(1);
    config.http_intake->stream.limits = {.max_bytes = 256 + world_.random_below(4 * 1024),
      .max_events = static_cast<std::uint32_t>(1 + world_.random_below(64)),
      .timeout = 100ms};
    config.http_intake->window_bytes = 1 + world_.random_below(64 * 1024);
    config.http_intake->state = std::move(state);
    config.ship.to = {receiver_address};
    config.ship.retry = {.initial = 1ms * (1 << world_.random_below(8)), .max = 2s};
    config.intensity = any_number;
    pipeline_ = gateway_.own(spawn_ship_pipeline(gateway_.system(), gateway_.env(), std::move(config)));
    stats_ = gateway_.own(spawn_supervised_stats(gateway_.system(), gateway_.env(), {}));
    drained_ = gateway_.ask<ship_report>(pipeline_, drain_atom_v);
  }

  void send(std::uint64_t number) {
    std::string text;
    auto lines = world_.random_below(40);
    for (std::uint64_t i = 0; i < lines; ++i)
      text += fmt::format("{} {} {}\n", number, i, std::string(world_.random_below(300), 'x'));
    requests_.push_back({number, lines, world_.net().request(listens_on, post(text))});
  }

  caf::timespan random_time() {
    auto limit = static_cast<std::uint64_t>(caf::timespan{fault_time}.count());
    return caf::timespan{static_cast<std::int64_t>(world_.random_below(limit) >> world_.random_below(10))};
  }

  void strike() {
    switch (world_.random_below(5)) {
    case 0:
      return kill_child(gateway_, pipeline_, "source");
    case 1:
      return kill_child(gateway_, pipeline_, "compressor");
    case 2:
      return kill_child(gateway_, pipeline_, "shipper");
    case 3:
      return kill_child(receiver_.process(), receiver_.pipeline(), "storage-writer");
    default:
      world_.net().lose_one();
    }
  }

  /// What was answered has to be stored, once and in order, though power fails now.
  std::string check_store() {
    std::vector<bool> is_answered;
    for (auto& x : requests_)
      is_answered.push_back(x.sent->answer().has_value());
    receiver_.crash();
    EXPECT_TRUE(receiver_.start());
    auto found = stored();
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      auto& lines = found[requests_[i].number];
      for (std::uint64_t line = 0; line < lines.size(); ++line)
        if (lines[line] != line)
          return fmt::format("request {}: line {} where {} should be", requests_[i].number, lines[line], line);
      if (!is_answered[i])
        continue;
      ++answered_;
      if (auto& answer = *requests_[i].sent->answer(); answer.status != 200)
        return fmt::format("request {}: {}", requests_[i].number, answer.status);
      if (lines.size() != requests_[i].lines)
        return fmt::format(
          "request {}: {} stored of {} that were confirmed", requests_[i].number, lines.size(), requests_[i].lines);
    }
    return {};
  }

  /// Numbers of lines, by the request that they came in.
  std::map<std::uint64_t, std::vector<std::uint64_t>> stored() {
    std::string text;
    auto writer = make_query_writer(query_format::raw, [&](byte_view bytes) {
      text += as_text(bytes);
      return true;
    });
    EXPECT_TRUE(run_query(receiver_.files(), receiver_.folder(), {}, *writer, [](const damage&) {}));
    writer->finish();
    std::map<std::uint64_t, std::vector<std::uint64_t>> found;
    for (std::size_t at = 0, end; (end = text.find('\n', at)) != text.npos; at = end + 1) {
      char* rest = nullptr;
      auto request = std::strtoull(text.c_str() + at, &rest, 10);
      found[request].push_back(std::strtoull(rest, nullptr, 10));
    }
    return found;
  }

  sim_world world_;
  sim_receiver receiver_;
  sim_file_system gateway_files_{1};
  sim_process gateway_;
  ship_pipeline_actor pipeline_;
  supervisor_actor stats_;
  std::shared_ptr<std::optional<expected<ship_report>>> drained_;
  std::vector<sent_request> requests_;
  std::size_t answered_ = 0;
};

class intake_of_http : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// Returns how many requests were answered.
  static std::size_t run_seeds(bool is_cut_short) {
    auto number_from = [](const char* variable, std::uint64_t otherwise) {
      auto* text = std::getenv(variable);
      return text ? std::strtoull(text, nullptr, 10) : otherwise;
    };
    auto single = std::getenv("SLUICE_SEED") != nullptr;
    if (single)
      spdlog::set_level(spdlog::level::debug);
    auto first = number_from("SLUICE_SEED", 1);
    auto count = single ? 1 : number_from("SLUICE_SEEDS", 200);
    std::size_t answered = 0;
    for (auto seed = first; seed < first + count; ++seed) {
      http_run run{seed};
      auto failure = run.run(is_cut_short);
      EXPECT_EQ(failure, "") << fmt::format("seed {}: {}; replay with SLUICE_SEED={}", seed, failure, seed);
      if (!failure.empty())
        break;
      answered += run.answered();
    }
    return answered;
  }
};

} // namespace

// `SLUICE_SEEDS` says how many seeds, `SLUICE_SEED` replays one, with the log.
TEST_F(intake_of_http, answers_each_request_and_stores_it_once_whatever_fails) {
  EXPECT_GT(run_seeds(false), 0);
}

TEST_F(intake_of_http, has_stored_what_it_has_answered_when_power_fails) {
  EXPECT_GT(run_seeds(true), 0);
}

} // namespace sluice::test

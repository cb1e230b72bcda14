#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/query/query.hpp"
#include "actors/query/query_output.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint receiver_address{"sim", "receiver", 1};
constexpr auto writing_time = 30s;
constexpr auto patience = 200s;

enum class rotation { renames, copies };

/// A program writes and rotates a log, and an agent follows it; both machines fail now and then.
class follow_run {
public:
  follow_run(std::uint64_t seed, rotation how)
    : how_(how), world_(seed, {.net = {}, .max_io_delay = 1ms * (1 << seed % 6)}),
      receiver_(world_, receiver_address, seed, {}, {}), shipper_(world_, "agent", seed * 16, config()) {
    shipper_.files().set_content("/state/made", "");
    // Another log, whose name is like that of a rotated one.
    write("/logs/app.log.err", "not followed\n");
    write("/logs/app.log.7", "older than the agent\n");
  }

  /// What is wrong.
  std::string run() {
    EXPECT_TRUE(receiver_.start());
    shipper_.start();
    for (caf::timespan at{}; at < writing_time; at += random_time(600ms))
      world_.after(at, [this] { act(); });
    if (how_ == rotation::renames)
      shipper_.files().interleave([this] { act_meanwhile(); });
    for (auto i = world_.random_below(6); i > 0; --i)
      world_.after(random_time(writing_time), [this] { fail(); });
    world_.run_for(writing_time + 5s);
    shipper_.files().interleave(nullptr);
    auto done = world_.run_until([this] { return is_stored(); }, patience);
    return done ? "" : fmt::format("{} bytes are written, {} stored", written_.size(), stored().size());
  }

private:
  ship_pipeline_config config() {
    ship_pipeline_config made;
    made.source.producer.fill(1);
    made.source.file_notes = "/state/files";
    made.source.follow.patterns = {world_.random_below(2) == 0 ? "/logs/app.log" : "/logs/*.log"};
    made.source.window_bytes = 1 + world_.random_below(4096);
    made.source.follow.max_open_files = 1 + world_.random_below(4);
    made.batch = {
      .max_bytes = 256, .max_events = static_cast<std::uint32_t>(1 + world_.random_below(16)), .timeout = 100ms};
    made.ship.to = {receiver_address};
    made.ship.retry = {.initial = 10ms, .max = 1s};
    return made;
  }

  caf::timespan random_time(caf::timespan limit) {
    return caf::timespan{static_cast<std::int64_t>(world_.random_below(static_cast<std::uint64_t>(limit.count())))};
  }

  void write(const std::string& path, const std::string& text) { shipper_.files().append_content(path, text); }

  void act() {
    if (world_.random_below(8) == 0)
      rotate();
    for (auto lines = world_.random_below(8); lines > 0; --lines) {
      auto line = fmt::format("{} {}\n", ++lines_, std::string(world_.random_below(200), 'x'));
      write("/logs/app.log", line);
      written_ += line;
    }
  }

  /// Between two looks of the agent at names, which may shift more than once.
  void act_meanwhile() {
    if (may_act_ == 0 || world_.random_below(1'000) != 0)
      return;
    --may_act_;
    for (auto i = world_.random_below(4); i > 0; --i) {
      rotate();
      act();
    }
  }

  void rotate() {
    auto& files = shipper_.files();
    auto is_noted = files.content(sim_shipper::notes_path).find("/logs/app.log") != std::string::npos;
    if (files.content("/logs/app.log").empty() || !is_noted) // what goes before its path was ever seen is not followed
      return;
    auto name = [](std::uint64_t number) { return fmt::format("/logs/app.log.{}", number); };
    for (auto number = ++rotations_; number > 1; --number)
      if (!files.content(name(number - 1)).empty())
        files.move_content(name(number - 1), name(number));
    if (how_ == rotation::renames) {
      files.move_content("/logs/app.log", name(1));
    } else {
      files.set_content(name(1), files.content("/logs/app.log"));
      files.set_content("/logs/app.log", "");
    }
  }

  void fail() {
    switch (world_.random_below(4)) {
    case 0:
      receiver_.crash();
      EXPECT_TRUE(receiver_.start());
      break;
    case 1:
      world_.net().lose_one();
      break;
    default:
      if (!shipper_.is_up())
        return;
      shipper_.kill();
      world_.after(random_time(5s), [this] { shipper_.start(); });
    }
  }

  bool is_stored() {
    world_.run_for(1s);
    return stored() == written_;
  }

  std::string stored() {
    std::string found;
    auto writer = make_query_writer(query_format::raw, [&](byte_view bytes) {
      found += as_text(bytes);
      return true;
    });
    query_options query;
    query.labels = {{"source", "/logs/app.log"}};
    EXPECT_TRUE(run_query(receiver_.files(), receiver_.folder(), query, *writer, [](const damage&) {}));
    writer->finish();
    return found;
  }

  rotation how_;
  sim_world world_;
  sim_receiver receiver_;
  sim_shipper shipper_;
  std::string written_;
  std::uint64_t lines_ = 0, rotations_ = 10;
  int may_act_ = 5; ///< More rotations make for more looks.
};

class follow : public testing::TestWithParam<rotation> {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

} // namespace

TEST_P(follow, stores_what_was_written_in_order_and_once_whatever_fails) {
  auto* single = std::getenv("SLUICE_SEED");
  auto* many = std::getenv("SLUICE_SEEDS");
  std::uint64_t first = single ? std::strtoull(single, nullptr, 10) : 1;
  std::uint64_t seeds = single ? 1 : many ? std::strtoull(many, nullptr, 10) : 100;
  if (single)
    spdlog::set_level(spdlog::level::debug);
  for (auto seed = first; seed < first + seeds; ++seed)
    ASSERT_EQ(follow_run(seed, GetParam()).run(), "") << "SLUICE_SEED=" << seed;
}

// The file was empty when its truncation was noticed, and nothing was written to it any more.
TEST(follow_by_copies, loses_no_generation_that_comes_and_goes_before_the_file_stays_empty) {
  spdlog::set_level(spdlog::level::off);
  EXPECT_EQ(follow_run(60, rotation::copies).run(), "");
  spdlog::set_level(spdlog::level::info);
}

INSTANTIATE_TEST_SUITE_P(rotations, follow, testing::Values(rotation::renames, rotation::copies),
  [](auto& x) { return x.param == rotation::renames ? "renames" : "copies"; });

} // namespace sluice::test

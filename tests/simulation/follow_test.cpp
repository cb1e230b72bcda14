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

/// What is stored of the log, as it was written.
std::string stored_by(sim_receiver& receiver) {
  std::string found;
  auto writer = make_query_writer(query_format::raw, [&](byte_view bytes) {
    found += as_text(bytes);
    return true;
  });
  query_options query;
  query.labels = {{"source", "/logs/app.log"}};
  EXPECT_TRUE(run_query(receiver.files(), receiver.folder(), query, *writer, [](const damage&) {}));
  writer->finish();
  return found;
}

/// A program writes and rotates a log, and an agent follows it; both machines fail now and then.
class follow_run {
public:
  follow_run(std::uint64_t seed, rotation how, int may_act = 5)
    : how_(how), may_act_(may_act), world_(seed, {.net = {}, .max_io_delay = 1ms * (1 << seed % 6)}),
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
    shipper_.files().interleave([this] { act_meanwhile(); });
    for (auto i = world_.random_below(6); i > 0; --i)
      world_.after(random_time(writing_time), [this] { fail(); });
    world_.run_for(writing_time + 5s);
    shipper_.files().interleave(nullptr);
    auto done = world_.run_until([this] { return is_stored(); }, patience);
    return done ? "" : fmt::format("{} bytes are written, {} stored", written_.size(), stored_by(receiver_).size());
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
    return stored_by(receiver_) == written_;
  }

  rotation how_;
  int may_act_; ///< Between two calls of the agent; more rotations make for more looks.
  sim_world world_;
  sim_receiver receiver_;
  sim_shipper shipper_;
  std::string written_;
  std::uint64_t lines_ = 0, rotations_ = 10;
};

class follow_base : public testing::Test {
protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }
};

class follow : public follow_base, public testing::WithParamInterface<rotation> {};

/// An agent finds a log with its first line, and stores the next, which leave it shorter than a whole head.
class follow_grown_file : public follow_base {
protected:
  follow_grown_file() {
    files_.set_content("/state/made", "");
    files_.set_content(log_, "");
  }

  void TearDown() override {
    shipper_.kill();
    follow_base::TearDown();
  }

  void find_it() {
    ASSERT_TRUE(receiver_.start());
    shipper_.start();
    files_.append_content(log_, line_);
    ASSERT_TRUE(is_stored(line_));
  }

  void let_it_grow() { files_.append_content(log_, first_.substr(line_.size())); }

  void find_it_and_store_its_growth() {
    find_it();
    let_it_grow();
    ASSERT_TRUE(is_stored(first_));
    shipper_.kill();
  }

  bool is_stored(const std::string& text) {
    return world_.run_until([&] { return stored_by(receiver_) == text; }, patience);
  }

  static ship_pipeline_config config() {
    ship_pipeline_config made;
    made.source.producer.fill(1);
    made.source.follow.patterns = {"/logs/app.log"};
    made.ship.to = {receiver_address};
    return made;
  }

  /// Begins with the line with which the log is found.
  static std::string lines(std::size_t bytes, char filling) {
    auto text = line_;
    for (; text.size() < bytes; text += '\n')
      text += std::string(49, filling);
    return text;
  }

  static inline const std::string line_ = "found with this\n";
  const std::string log_ = "/logs/app.log";
  const std::string first_ = lines(500, '1');
  const std::string second_ = lines(600, '2');
  sim_world world_{1};
  sim_receiver receiver_{world_, receiver_address, 1, {}, {}};
  sim_shipper shipper_{world_, "agent", 1, config()};
  sim_file_system& files_ = shipper_.files();
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
  EXPECT_EQ(follow_run(60, rotation::copies, 0).run(), "");
  spdlog::set_level(spdlog::level::info);
}

// What was truncated between two calls of the agent was stored behind what was written later, twice, or not at all.
TEST(follow_by_copies, keeps_generations_in_order_that_come_and_go_while_they_are_looked_for) {
  spdlog::set_level(spdlog::level::off);
  for (auto seed : {14, 16, 17, 53, 274, 285, 1361})
    EXPECT_EQ(follow_run(seed, rotation::copies).run(), "") << "seed " << seed;
  spdlog::set_level(spdlog::level::info);
}

// Its head was noted as it was when the file was found: what was there next was taken for the same file.
TEST_F(follow_grown_file, is_told_from_what_was_written_after_it_was_truncated) {
  find_it_and_store_its_growth();
  files_.set_content(log_ + ".1", first_);
  files_.set_content(log_, second_);
  shipper_.start();
  EXPECT_TRUE(is_stored(first_ + second_));
}

TEST_F(follow_grown_file, is_told_from_a_file_that_has_its_inode_next) {
  files_.forget_births();
  find_it_and_store_its_growth();
  auto gone = files_.info(log_).value().inode;
  files_.remove_content(log_);
  files_.set_content(log_, second_);
  ASSERT_EQ(files_.info(log_).value().inode, gone);
  shipper_.start();
  EXPECT_TRUE(is_stored(first_ + second_));
}

TEST_F(follow_grown_file, is_not_stored_while_its_head_cannot_be_noted) {
  find_it();
  files_.set_capacity(files_.used_bytes());
  let_it_grow();
  world_.run_for(30s);
  EXPECT_EQ(stored_by(receiver_), line_);
  files_.set_capacity(1 << 20);
  EXPECT_TRUE(is_stored(first_));
}

INSTANTIATE_TEST_SUITE_P(rotations, follow, testing::Values(rotation::renames, rotation::copies),
  [](auto& x) { return x.param == rotation::renames ? "renames" : "copies"; });

} // namespace sluice::test

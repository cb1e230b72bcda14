#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/stored_streams.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint first_address{"sim", "first", 1}, second_address{"sim", "second", 1};

class failover_of_a_spool : public testing::Test {
protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    shipper_.add_pipe();
  }

  /// A program writes lines into the pipe, which the spool has soon.
  void write(int lines) {
    std::string text;
    for (int i = 0; i < lines; ++i)
      text += fmt::format("line {}\n", next_++);
    shipper_.files().append_content(pipe_path, text);
    written_ += text;
    world_.run_for(60s);
  }

  std::string compare_stores() {
    stored_streams stored;
    for (auto* x : {&first_, &second_}) {
      x->crash();
      EXPECT_TRUE(x->start());
      EXPECT_TRUE(stored.add_store(x->files(), x->folder()));
    }
    return stored.compare("shipper", "stdin", {{written_}}, true);
  }

  static ship_pipeline_config config() {
    ship_pipeline_config made;
    EXPECT_TRUE(made.source.labels.set("host", "shipper"));
    made.batch.max_bytes = 1024;
    made.how.method = codec::none;
    made.spool.emplace();
    made.spool->folder = "/state/spool";
    made.spool->limits.max_bytes = 256 * 1024;
    made.spool->limits.least_segment_bytes = 4 * 1024;
    made.ship.to = {first_address, second_address};
    return made;
  }

  sim_world world_{1, {}};
  sim_receiver first_{world_, first_address, 1, {}, {}}, second_{world_, second_address, 2, {}, {}};
  sim_shipper shipper_{world_, "shipper", 3, config()};
  int next_ = 0;
  std::string written_;
};

} // namespace

// There are no checkpoints here: a process that is killed may have had no time to save them.
TEST_F(failover_of_a_spool, goes_on_behind_what_another_store_has_and_the_spool_has_no_more) {
  ASSERT_TRUE(first_.start());
  shipper_.start();
  write(5'000);
  first_.kill();
  write(1'000);
  shipper_.files().end_pipe(pipe_path);
  world_.run_for(60s);
  shipper_.kill();
  ASSERT_TRUE(second_.start());
  shipper_.start();
  ASSERT_TRUE(world_.run_until([this] { return shipper_.is_drained(); }, 600s));
  ASSERT_TRUE(shipper_.outcome());
  EXPECT_EQ(shipper_.outcome()->status.spool.waiting_records, 0);
  EXPECT_EQ(compare_stores(), "");
}

} // namespace sluice::test

#include <optional>
#include <sstream>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "actors/stats/drop_notice.hpp"
#include "messages/counted.hpp"
#include "tests/unit/runtime_support.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

task<void> nothing() {
  co_return;
}

} // namespace

class stats_drop_notice : public runtime {
protected:
  void SetUp() override {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(lines_);
    auto logger = std::make_shared<spdlog::logger>("watched", sink);
    logger->set_pattern("%v", spdlog::pattern_time_type::utc);
    spdlog::set_default_logger(logger);
    owner_ = start([this](auto* self) {
      notice_.emplace(self, "pump", 10s);
      return nothing();
    });
    run();
    pass(1min);
  }

  void TearDown() override {
    spdlog::set_default_logger(before_);
    runtime::TearDown();
  }

  void drop(std::uint64_t records) {
    on(owner_, [=, this] { notice_->add("drop_newest", records); });
  }

  /// What was logged since it was last asked.
  std::string logged() {
    auto found = lines_.str();
    lines_.str({});
    return found;
  }

  static std::string line(std::uint64_t records) {
    return "pump: more comes in than goes out: " + counted(records, "record") + " dropped (drop_newest)\n";
  }

  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream lines_;
  caf::actor owner_;
  std::optional<drop_notice> notice_;
};

TEST_F(stats_drop_notice, tells_at_once_and_then_once_in_an_interval) {
  drop(1);
  EXPECT_EQ(logged(), line(1));
  drop(2);
  pass(9s);
  drop(3);
  EXPECT_EQ(logged(), "");
  pass(1s);
  EXPECT_EQ(logged(), line(5));
}

// What was dropped just before nothing more came was told with what came next, perhaps never.
TEST_F(stats_drop_notice, tells_within_the_interval_though_nothing_follows) {
  drop(1);
  pass(4s);
  drop(2);
  EXPECT_EQ(logged(), line(1));
  pass(5999ms);
  EXPECT_EQ(logged(), "");
  pass(1ms);
  EXPECT_EQ(logged(), line(2));
}

TEST_F(stats_drop_notice, has_no_timer_while_nothing_is_to_be_told) {
  EXPECT_FALSE(scheduler().has_pending_timeout());
  drop(1);
  EXPECT_FALSE(scheduler().has_pending_timeout()) << "it is told";
  drop(2);
  EXPECT_TRUE(scheduler().has_pending_timeout());
  pass(10s);
  EXPECT_FALSE(scheduler().has_pending_timeout());
  drop(3);
  on(owner_, [this] { notice_->say(); });
  EXPECT_FALSE(scheduler().has_pending_timeout()) << "it was told before its time";
  drop(4);
  notice_.reset();
  EXPECT_FALSE(scheduler().has_pending_timeout()) << "it has gone";
  pass(1min);
  EXPECT_EQ(logged(), line(1) + line(2) + line(3));
}

} // namespace sluice::test

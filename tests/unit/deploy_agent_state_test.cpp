#include <gtest/gtest.h>

#include "deploy/agent_state.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

class agent_state : public testing::Test {
protected:
  expected<agent_identity> load() { return load_agent(files_, "/lib/sluice", 0ms); }

  sim_file_system files_{1};
};

} // namespace

TEST_F(agent_state, is_made_at_the_first_start) {
  auto agent = load();
  ASSERT_TRUE(agent) << agent.error().message;
  EXPECT_NE(agent->producer, id128{});
  EXPECT_EQ(agent->epoch, 1);
  EXPECT_EQ(files_.content("/lib/sluice/agent"), to_string(agent->producer) + "\n1\n");
}

TEST_F(agent_state, counts_starts_of_the_same_agent) {
  auto first = load(), second = load();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->producer, first->producer);
  EXPECT_EQ(second->epoch, 2);
}

TEST_F(agent_state, is_durable_once_it_is_given_out) {
  ASSERT_TRUE(load());
  files_.sync_folder("/");
  files_.sync_folder("/lib");
  auto before = load();
  files_.crash();
  auto after = load();
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->producer, before->producer);
  EXPECT_EQ(after->epoch, before->epoch + 1);
}

TEST_F(agent_state, is_not_guessed_from_a_damaged_file) {
  auto agent = load();
  ASSERT_TRUE(agent);
  auto id = to_string(agent->producer);
  for (auto& damaged : {std::string{}, id, id + "\n", id + "\n0\n", id + "\n-1\n", id + "\n1", id + "\n1\n\n",
         id + "\n99999999999999999999\n", "x" + id.substr(1) + "\n1\n"}) {
    files_.set_content("/lib/sluice/agent", damaged);
    auto refused = load();
    ASSERT_FALSE(refused) << damaged;
    EXPECT_EQ(refused.error().code, errc::malformed);
    EXPECT_NE(refused.error().message.find("/lib/sluice/agent: "), std::string::npos) << refused.error().message;
    EXPECT_EQ(files_.content("/lib/sluice/agent"), damaged);
  }
}

TEST_F(agent_state, is_not_given_out_if_it_cannot_be_written) {
  ASSERT_TRUE(load());
  auto before = files_.content("/lib/sluice/agent");
  files_.fail_calls(1000, errc::permission_denied);
  auto refused = load();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::permission_denied);
  files_.clear_faults();
  files_.fail_write(1, errc::storage_full);
  EXPECT_FALSE(load());
  EXPECT_EQ(files_.content("/lib/sluice/agent"), before);
  EXPECT_EQ(load()->epoch, 2);
}

TEST_F(agent_state, is_for_one_start_at_a_time) {
  ASSERT_TRUE(load());
  auto other = files_.lock("/lib/sluice/agent.lock");
  ASSERT_TRUE(other);
  EXPECT_EQ(load().error().code, errc::locked);
  other->reset();
  EXPECT_EQ(load()->epoch, 2);
}

} // namespace sluice::test

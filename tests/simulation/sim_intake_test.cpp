#include <gtest/gtest.h>

#include "tests/support/sim_intake.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint gateway{"syslog+tcp", "server", 514};

struct heard : byte_handler, datagram_handler {
  void on_refused(const std::string& name, error) override { ADD_FAILURE() << name; }
  void on_opened(peer_id peer, const std::string& name) override { names[peer] = name; }
  void on_bytes(peer_id peer, buffer bytes, std::size_t credit) override {
    EXPECT_GE(credit, std::max(bytes.size(), min_read_credit));
    said[peer] += bytes.text();
  }
  void on_closed(peer_id peer, std::optional<error> reason) override { closed[peer] = reason.has_value(); }
  void on_datagrams(datagram_block block, std::size_t) override {
    block.for_each([this](std::string_view x) { datagrams.emplace_back(x); });
  }
  void on_dropped(std::uint64_t count) override { dropped += count; }
  void on_finished() override { finished = true; }

  std::map<peer_id, std::string> names, said;
  std::map<peer_id, bool> closed; ///< Whether with a reason.
  std::vector<std::string> datagrams;
  std::uint64_t dropped = 0;
  bool finished = false;
};

class sim_intake_test : public testing::TestWithParam<std::uint64_t> {
protected:
  void listen_for_bytes(std::size_t credit) {
    listener_ = net_->listen(gateway, byte_options{}, at_server_).value();
    listener_->grant(credit);
  }

  void listen_for_datagrams(std::size_t credit) {
    listener_ = net_->listen(gateway, datagram_options{}, at_server_).value();
    listener_->grant(credit);
  }

  sim_world world_{GetParam()};
  std::unique_ptr<network> net_ = world_.net().join("server");
  std::shared_ptr<heard> at_server_ = std::make_shared<heard>();
  std::unique_ptr<intake_listener> listener_;
};

} // namespace

INSTANTIATE_TEST_SUITE_P(seeds, sim_intake_test, testing::Range<std::uint64_t>(1, 11));

TEST_P(sim_intake_test, hears_each_peer_in_order_to_its_end) {
  listen_for_bytes(1 << 20);
  auto one = world_.net().dial("a", gateway), two = world_.net().dial("b", gateway);
  one->send("first ");
  two->send("other");
  one->send("second");
  one->close();
  world_.run_for(10s);
  EXPECT_EQ(at_server_->said[1], at_server_->names[1] == "a" ? "first second" : "other");
  EXPECT_EQ(at_server_->said[2], at_server_->names[2] == "b" ? "other" : "first second");
  ASSERT_EQ(at_server_->closed.size(), 1);
  EXPECT_FALSE(at_server_->closed.begin()->second);
  EXPECT_EQ(one->read_bytes(), 12);
}

TEST_P(sim_intake_test, reads_no_more_than_credit_allows) {
  listen_for_bytes(1);
  auto sender = world_.net().dial("a", gateway);
  sender->send("x");
  world_.run_for(1s);
  sender->send("y");
  sender->close();
  world_.run_for(10s);
  EXPECT_EQ(at_server_->said[1], "x");
  EXPECT_TRUE(at_server_->closed.empty());
  listener_->grant(2 * min_read_credit);
  world_.run_for(1s);
  EXPECT_EQ(at_server_->said[1], "xy");
  EXPECT_EQ(at_server_->closed.size(), 1);
}

TEST_P(sim_intake_test, loses_what_was_not_read_before_a_reset) {
  listen_for_bytes(0);
  auto sender = world_.net().dial("a", gateway);
  sender->send("x");
  world_.run_for(1s);
  sender->reset();
  listener_->grant(1 << 20);
  world_.run_for(1s);
  EXPECT_TRUE(at_server_->said.empty());
  EXPECT_TRUE(at_server_->closed.at(1));
}

TEST_P(sim_intake_test, refuses_when_nobody_listens_or_does_so_no_more) {
  auto early = world_.net().dial("a", gateway);
  world_.run_for(1s);
  EXPECT_TRUE(early->is_refused());
  listen_for_bytes(1 << 20);
  auto sender = world_.net().dial("a", gateway);
  sender->send("x");
  world_.run_for(1s);
  EXPECT_FALSE(sender->is_refused());
  listener_.reset();
  EXPECT_TRUE(sender->is_refused());
  EXPECT_EQ(sender->read_bytes(), 1);
}

TEST_P(sim_intake_test, reads_what_has_come_before_it_finishes) {
  listen_for_bytes(0);
  auto sender = world_.net().dial("a", gateway);
  sender->send("came");
  world_.run_for(1s);
  sender->send("late");
  listener_->finish();
  world_.run_for(1s);
  EXPECT_FALSE(at_server_->finished);
  listener_->grant(1 << 20);
  world_.run_for(1s);
  EXPECT_EQ(at_server_->said[1], "came");
  EXPECT_EQ(at_server_->closed.size(), 1);
  EXPECT_TRUE(at_server_->finished);
  EXPECT_TRUE(sender->is_refused());
}

TEST_P(sim_intake_test, drops_and_counts_datagrams_beyond_the_buffer_of_the_socket) {
  listen_for_datagrams(0);
  const std::string datagram(1000, 'x');
  for (int i = 0; i < 100; ++i)
    world_.net().send_datagram("a", gateway, datagram);
  world_.run_for(1s);
  EXPECT_TRUE(at_server_->datagrams.empty());
  listener_->grant(1 << 20);
  world_.run_for(1s);
  EXPECT_EQ(at_server_->datagrams.size(), sim_intake::socket_bytes / datagram.size());
  EXPECT_EQ(at_server_->datagrams.size() + at_server_->dropped, 100);
}

TEST_P(sim_intake_test, loses_datagrams_in_a_partition_and_delays_bytes) {
  listen_for_bytes(1 << 20);
  auto sender = world_.net().dial("a", gateway);
  world_.net().stall("a", "server");
  sender->send("x");
  world_.run_for(1s);
  EXPECT_TRUE(at_server_->said.empty());
  world_.net().heal();
  world_.run_for(1s);
  EXPECT_EQ(at_server_->said[1], "x");
  listener_.reset();
  listen_for_datagrams(1 << 20);
  world_.net().stall("a", "server");
  world_.net().send_datagram("a", gateway, "y");
  world_.run_for(1s);
  world_.net().heal();
  world_.run_for(1s);
  EXPECT_TRUE(at_server_->datagrams.empty());
}

} // namespace sluice::test

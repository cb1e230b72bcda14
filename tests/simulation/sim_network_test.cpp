#include <gtest/gtest.h>

#include "tests/support/make_frame.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint server{"sim", "server", 1};

/// What one side has heard, in order.
struct heard : link_handler {
  void on_open() override { open = true; }
  void on_message(link_message message, std::size_t credit) override {
    ASSERT_TRUE(open);
    last_credit = credit;
    if (auto* x = std::get_if<hello>(&message))
      messages.push_back(x->last.sequence);
    else
      ++frames;
  }
  void on_sent(std::size_t bytes) override { sent_bytes += bytes; }
  void on_closed(error why) override {
    EXPECT_FALSE(reason) << "closed twice";
    reason = std::move(why);
  }

  bool open = false;
  std::vector<std::uint64_t> messages;
  std::size_t frames = 0, last_credit = 0, sent_bytes = 0;
  std::optional<error> reason;
};

class sim_network_test : public testing::TestWithParam<std::uint64_t> {
protected:
  void listen() {
    listener_ = right_->listen(server, {}, [this](std::unique_ptr<link> made) { accepted_ = std::move(made); }).value();
  }

  void connect() {
    client_ = left_->connect(server, {});
    client_->start(at_client_);
  }

  /// Both sides open, the client with credit for much.
  void join() {
    listen();
    connect();
    world_.run_until([this] { return accepted_ != nullptr; }, 10s);
    accepted_->start(at_server_);
    world_.run_until([this] { return at_client_->open && at_server_->open; }, 10s);
    client_->grant(1 << 20);
  }

  /// A frame of about `bytes`.
  static frame large(std::size_t bytes) { return frame_maker{make_stream(1)}.lines(std::string(bytes, 'x') + "\n"); }

  static hello number(std::uint64_t x) { return {make_stream(1), {1, x, x}}; }

  sim_world world_{GetParam()};
  std::unique_ptr<network> left_ = world_.net().join("client"), right_ = world_.net().join("server");
  std::shared_ptr<heard> at_client_ = std::make_shared<heard>(), at_server_ = std::make_shared<heard>();
  std::unique_ptr<link> client_, accepted_;
  std::unique_ptr<listener> listener_;
};

} // namespace

INSTANTIATE_TEST_SUITE_P(seeds, sim_network_test, testing::Range<std::uint64_t>(1, 21));

TEST_P(sim_network_test, refuses_where_nobody_listens) {
  connect();
  world_.run_for(10s);
  ASSERT_TRUE(at_client_->reason);
  EXPECT_EQ(at_client_->reason->code, errc::unreachable);
  EXPECT_NE(at_client_->reason->message.find("sim://server:1"), std::string::npos);
  EXPECT_FALSE(at_client_->open);
}

TEST_P(sim_network_test, lets_one_listen_at_a_time) {
  listen();
  EXPECT_EQ(right_->listen(server, link_options{}, {}).error().code, errc::address_in_use);
  listener_.reset();
  listen();
}

TEST_P(sim_network_test, delivers_in_order_as_far_as_credit_goes) {
  join();
  std::size_t queued = 0;
  for (std::uint64_t i = 0; i < 50; ++i)
    queued += client_->send(number(i));
  world_.run_for(10s);
  EXPECT_TRUE(at_server_->messages.empty()) << "no credit yet";
  accepted_->grant(1);
  world_.run_for(10s);
  EXPECT_EQ(at_server_->messages.size(), 1) << "overdrawn by one";
  EXPECT_EQ(at_server_->last_credit, min_message_credit) << "small as it is";
  accepted_->grant(at_server_->last_credit);
  world_.run_for(10s);
  EXPECT_EQ(at_server_->messages.size(), 2);
  accepted_->grant(1 << 20);
  world_.run_for(10s);
  ASSERT_EQ(at_server_->messages.size(), 50);
  for (std::uint64_t i = 0; i < 50; ++i)
    EXPECT_EQ(at_server_->messages[i], i);
  EXPECT_EQ(at_client_->sent_bytes, queued);
}

TEST_P(sim_network_test, holds_back_the_sender_when_the_pipe_is_full) {
  join();
  for (std::uint64_t i = 0; i < 5'000; ++i)
    client_->send(number(i));
  world_.run_for(100s);
  auto full = at_client_->sent_bytes;
  EXPECT_LT(full, 66'000);
  accepted_->grant(5'000 * min_message_credit);
  world_.run_for(1000s);
  EXPECT_EQ(at_server_->messages.size(), 5'000);
  EXPECT_GT(at_client_->sent_bytes, full);
}

TEST_P(sim_network_test, delivers_what_was_sent_before_a_link_was_destroyed) {
  join();
  accepted_->grant(1 << 20);
  for (std::uint64_t i = 0; i < 10; ++i)
    client_->send(number(i));
  client_.reset();
  accepted_->send(number(1));
  world_.run_for(10s);
  EXPECT_EQ(at_server_->messages.size(), 10);
  ASSERT_TRUE(at_server_->reason);
  EXPECT_EQ(at_server_->reason->code, errc::connection_lost);
  EXPECT_TRUE(at_client_->messages.empty()) << "nothing is heard after the destructor";
  EXPECT_FALSE(at_client_->reason);
}

TEST_P(sim_network_test, breaks_within_what_is_on_its_way_and_tells_both_sides) {
  join();
  accepted_->grant(1 << 20);
  for (std::uint64_t i = 0; i < 20; ++i)
    client_->send(number(i));
  EXPECT_TRUE(world_.net().lose_one());
  client_->send(number(20));
  world_.run_for(10s);
  EXPECT_LE(at_server_->messages.size(), 20);
  for (std::uint64_t i = 0; i < at_server_->messages.size(); ++i)
    EXPECT_EQ(at_server_->messages[i], i) << "only what is behind the cut is lost";
  EXPECT_TRUE(at_client_->reason);
  EXPECT_TRUE(at_server_->reason);
  EXPECT_FALSE(world_.net().lose_one()) << "there is none any more";
}

TEST_P(sim_network_test, delays_through_a_short_partition) {
  join();
  accepted_->grant(1 << 20);
  world_.net().stall("client", "server");
  client_->send(number(1));
  world_.run_for(10s);
  EXPECT_TRUE(at_server_->messages.empty());
  world_.net().heal();
  world_.run_for(1s);
  EXPECT_EQ(at_server_->messages.size(), 1);
  world_.run_for(60s);
  EXPECT_FALSE(at_client_->reason);
  EXPECT_FALSE(at_server_->reason);
}

TEST_P(sim_network_test, closes_in_a_long_partition_after_the_silence_timeout) {
  join();
  world_.net().stall("client", "server");
  world_.net().stall("server", "client");
  world_.run_for(19s);
  EXPECT_FALSE(at_client_->reason);
  world_.run_for(40s);
  EXPECT_TRUE(at_client_->reason);
  EXPECT_TRUE(at_server_->reason);
}

// Who does not listen cannot tell whether the peer is silent.
TEST_P(sim_network_test, does_not_take_for_dead_whom_it_gives_no_credit) {
  join();
  world_.net().stall("client", "server");
  world_.run_for(600s);
  EXPECT_FALSE(at_server_->reason);
  accepted_->grant(1);
  world_.run_for(60s);
  EXPECT_TRUE(at_server_->reason);
}

TEST_P(sim_network_test, lets_a_slow_peer_take_its_time_for_a_message_but_not_too_much) {
  join();
  accepted_->grant(1 << 20);
  world_.net().slow_down("client", 100);
  client_->send(large(2'000));
  world_.run_for(15s);
  EXPECT_EQ(at_server_->frames, 0);
  world_.run_for(15s);
  EXPECT_EQ(at_server_->frames, 1);
  client_->send(large(4'000));
  world_.run_for(60s);
  EXPECT_EQ(at_server_->frames, 1);
  ASSERT_TRUE(at_server_->reason);
  EXPECT_EQ(at_server_->reason->code, errc::timed_out);
  EXPECT_TRUE(at_client_->reason);
}

TEST_P(sim_network_test, holds_back_what_is_on_its_way_to_a_frozen_process) {
  join();
  accepted_->grant(1 << 20);
  world_.net().freeze("server");
  client_->send(number(1));
  world_.run_for(10s);
  EXPECT_TRUE(at_server_->messages.empty());
  world_.net().thaw("server");
  world_.run_for(1s);
  EXPECT_EQ(at_server_->messages.size(), 1);
}

TEST_P(sim_network_test, times_out_when_it_connects_through_a_partition) {
  listen();
  world_.net().stall("client", "server");
  connect();
  world_.run_for(10s);
  ASSERT_TRUE(at_client_->reason);
  EXPECT_EQ(at_client_->reason->code, errc::unreachable);
  EXPECT_FALSE(accepted_);
}

TEST_P(sim_network_test, closes_a_link_that_the_other_side_does_not_want) {
  listen();
  connect();
  world_.run_until([this] { return accepted_ != nullptr; }, 10s);
  accepted_.reset();
  world_.run_for(10s);
  EXPECT_TRUE(at_client_->reason);
  EXPECT_FALSE(at_client_->open);
}

TEST_P(sim_network_test, tells_the_peers_of_a_dead_host) {
  join();
  world_.net().kill("server");
  world_.run_for(60s);
  EXPECT_TRUE(at_client_->reason);
  EXPECT_EQ(world_.net().open_sides(), 0);
}

} // namespace sluice::test

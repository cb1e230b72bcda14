#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <caf/typed_event_based_actor.hpp>

#include "actors/shipper/shipper.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint address{"sim", "server", 1};

/// A receiver by hand, which notes what it is told.
struct hand_receiver : link_handler {
  void on_open() override {}
  void on_message(link_message message, std::size_t) override {
    if (auto* x = std::get_if<hello>(&message))
      greeted.push_back(x->stream);
  }
  void on_sent(std::size_t) override {}
  void on_closed(error) override {}
  std::vector<stream_id> greeted;
};

class shipper_alone : public testing::Test {
protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    upstream_ = process_.own(process_.system().spawn([this](upstream_actor::pointer) -> upstream_actor::behavior_type {
      return {[this](const welcome& x) { welcomed_.push_back(x.stream); }, [](const ack&) {}};
    }));
    listen();
    shipper_config config;
    config.to = address;
    config.retry = {.initial = 60s, .max = 60s};
    shipper_ = process_.own(spawn_shipper(process_.system(), process_.env(), config));
  }

  void listen() {
    listener_ = net_->listen(address, {}, [this](std::unique_ptr<link> made) {
      connection_ = std::move(made);
      connection_->start(receiver_);
      connection_->grant(1 << 20);
    }).value();
  }

  void open(std::uint8_t source) {
    caf::anon_send(shipper_, open_stream{make_stream(source), {}, caf::actor_cast<caf::strong_actor_ptr>(upstream_)});
  }

  std::string state() {
    auto answer = process_.ask<ship_status>(shipper_, status_atom_v);
    world_.run_until([&] { return answer->has_value(); }, 1ms);
    return *answer && **answer ? (**answer)->state : "dead";
  }

  bool reaches(const std::string& wanted) {
    return world_.run_until([&] { return state() == wanted; }, 120s);
  }

  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "client", files_, 1};
  std::unique_ptr<network> net_ = world_.net().join("server");
  std::shared_ptr<hand_receiver> receiver_ = std::make_shared<hand_receiver>();
  std::unique_ptr<link> connection_;
  std::unique_ptr<listener> listener_;
  upstream_actor upstream_;
  std::vector<stream_id> welcomed_;
  shipper_actor shipper_;
};

} // namespace

TEST_F(shipper_alone, goes_through_its_states) {
  EXPECT_EQ(state(), "connecting");
  EXPECT_TRUE(reaches("handshaking"));
  open(1);
  world_.run_for(1s);
  connection_->send(welcome{make_stream(1), {}});
  EXPECT_TRUE(reaches("streaming"));
  world_.run_for(1s);
  EXPECT_EQ(welcomed_, std::vector{make_stream(1)});
  connection_.reset();
  EXPECT_TRUE(reaches("backing_off"));
  EXPECT_TRUE(reaches("handshaking")) << "and comes back";
  world_.run_for(1s);
  EXPECT_EQ(receiver_->greeted.size(), 2);
}

// It was greeted over the link that was gone.
TEST_F(shipper_alone, greets_a_stream_that_is_opened_while_it_backs_off_on_the_next_connection) {
  ASSERT_TRUE(reaches("handshaking"));
  listener_.reset();
  connection_.reset();
  ASSERT_TRUE(reaches("backing_off"));
  open(7);
  world_.run_for(100ms);
  EXPECT_NE(state(), "dead");
  listen();
  EXPECT_TRUE(world_.run_until([this] { return !receiver_->greeted.empty(); }, 120s));
  EXPECT_EQ(receiver_->greeted.front(), make_stream(7));
}

// What the link had said before was still answered, over no link.
TEST_F(shipper_alone, ignores_what_a_link_has_said_last_once_it_has_given_up) {
  ASSERT_TRUE(reaches("handshaking"));
  open(1);
  world_.run_for(1s);
  connection_->send(welcome{make_stream(1), {}});
  ASSERT_TRUE(reaches("streaming"));
  connection_->send(welcome{make_stream(1), {9, 1, 10}}); // fenced: it gives up
  ASSERT_TRUE(reaches("failed"));
  world_.run_for(1s);
  constexpr std::uint64_t first_link = 1;
  caf::anon_send(shipper_, link_event{first_link, link_event::received{ack{make_stream(1), {1, 1, 1}}, 64}});
  world_.run_for(1s);
  EXPECT_EQ(state(), "failed");
}

} // namespace sluice::test

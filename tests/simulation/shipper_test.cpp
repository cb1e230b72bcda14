#include <caf/typed_event_based_actor.hpp>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

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
    if (auto* x = std::get_if<frame>(&message)) {
      ++frames;
      frame_bytes += x->size();
    }
  }
  void on_sent(std::size_t) override {}
  void on_closed(error) override {}
  std::vector<stream_id> greeted;
  std::size_t frames = 0, frame_bytes = 0;
};

class shipper_alone : public testing::Test {
protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    upstream_ = process_.own(process_.system().spawn([this](upstream_actor::pointer) -> upstream_actor::behavior_type {
      return {[this](const welcome& x) {
                welcomed_.push_back(x.stream);
                welcomed_last_ = x.last;
              },
        [](const ack&) {}};
    }));
    listen();
    shipper_config config;
    config.to = address;
    config.retry = retry_;
    config.max_queued_bytes = max_queued_bytes;
    shipper_ = process_.own(spawn_shipper(process_.system(), process_.env(), config));
  }

  void listen() {
    listener_ = net_
                  ->listen(address, {},
                    [this](std::unique_ptr<link> made) {
                      connection_ = std::move(made);
                      connection_->start(receiver_);
                      connection_->grant(1 << 20);
                    })
                  .value();
  }

  void open(std::uint8_t source) {
    caf::anon_send(shipper_, open_stream{make_stream(source), {}, caf::actor_cast<caf::strong_actor_ptr>(upstream_)});
  }

  /// Greets the stream and lets its source begin.
  void begin(std::uint8_t source) {
    open(source);
    world_.run_until([this] { return !receiver_->greeted.empty(); }, 10s);
    connection_->send(welcome{make_stream(source), {}});
    world_.run_until([this] { return !welcomed_.empty(); }, 10s);
    caf::anon_send(shipper_, restart_stream{make_stream(source), welcomed_last_});
  }

  std::optional<ship_status> status() {
    auto answer = process_.ask<ship_status>(shipper_, status_atom_v);
    world_.run_until([&] { return answer->has_value(); }, 1ms);
    return *answer && **answer ? std::optional{***answer} : std::nullopt;
  }

  std::string state() {
    auto found = status();
    return found ? found->state : "dead";
  }

  bool reaches(const std::string& wanted) {
    return world_.run_until([&] { return state() == wanted; }, 120s);
  }

  static constexpr std::size_t max_queued_bytes = 100'000;
  backoff_config retry_{.initial = 60s, .max = 60s};
  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "client", files_, 1};
  std::unique_ptr<network> net_ = world_.net().join("server");
  std::shared_ptr<hand_receiver> receiver_ = std::make_shared<hand_receiver>();
  std::unique_ptr<link> connection_;
  std::unique_ptr<listener> listener_;
  upstream_actor upstream_;
  std::vector<stream_id> welcomed_;
  stream_point welcomed_last_;
  shipper_actor shipper_;
};

class shipper_that_retries : public shipper_alone {
protected:
  shipper_that_retries() { retry_ = {.initial = 1s, .max = 30s}; }
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

TEST_F(shipper_alone, forgets_a_stream_that_is_closed_unless_it_holds_something_of_it) {
  ASSERT_TRUE(reaches("handshaking"));
  open(1);
  open(2);
  begin(3);
  EXPECT_EQ(status()->streams, 3);
  caf::anon_send(shipper_, frame_maker{make_stream(3)}.lines("x\n"));
  for (std::uint8_t source = 1; source <= 9; ++source)
    caf::anon_send(shipper_, close_stream{make_stream(source)});
  EXPECT_EQ(status()->streams, 1);
  EXPECT_EQ(status()->pending_frames, 1);
  connection_->send(ack{make_stream(1), {1, 1, 2}}); // late, and of no interest any more
  connection_->send(ack{make_stream(3), {1, 1, 2}});
  world_.run_for(1s);
  EXPECT_EQ(status()->acked_records, 1);
  caf::anon_send(shipper_, close_stream{make_stream(3)});
  EXPECT_EQ(status()->streams, 0);
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

// A full store still says where streams stand, and the back-off began anew with every welcome.
TEST_F(shipper_that_retries, backs_off_longer_and_longer_from_a_store_that_is_full) {
  begin(1);
  caf::anon_send(shipper_, frame_maker{make_stream(1)}.lines("x\n"));
  auto end = world_.now() + 600s;
  std::size_t rounds = 0;
  for (; world_.now() < end; ++rounds) {
    ASSERT_TRUE(world_.run_until([&] { return receiver_->frames > rounds; }, 10s));
    connection_->send(notice{{errc::storage_full, "full"}, true});
    connection_.reset();
    ASSERT_TRUE(world_.run_until([&] { return receiver_->greeted.size() > rounds + 1; }, 60s));
    connection_->send(welcome{make_stream(1), {}});
  }
  EXPECT_GT(rounds, 15);
  EXPECT_LT(rounds, 80) << "about 15 s apart";

  // Once it takes frames again, a lost connection is soon made good.
  connection_->send(ack{make_stream(1), {1, 1, 2}});
  world_.run_for(1s);
  auto greeted = receiver_->greeted.size();
  connection_.reset();
  EXPECT_TRUE(world_.run_until([&] { return receiver_->greeted.size() > greeted; }, 1500ms));
}

// Heads counted when they had left, but not when they were queued.
TEST_F(shipper_alone, keeps_to_its_bound_of_what_waits_in_the_link) {
  begin(1);
  frame_maker maker{make_stream(1)};
  for (int i = 0; i < 6'000; ++i)
    caf::anon_send(shipper_, maker.lines(std::string(200, 'x') + "\n"));
  constexpr std::size_t taken = 3'000;
  connection_->grant(taken * min_message_credit);
  ASSERT_TRUE(world_.run_until([this] { return receiver_->frames >= taken; }, 1000s));
  world_.run_for(10s);
  ASSERT_LT(receiver_->frames, 6'000);
  auto waiting = status()->sent_bytes - receiver_->frame_bytes;
  constexpr std::size_t one_more = 1'000;
  EXPECT_LE(waiting, max_queued_bytes + sim_network_options{}.pipe_bytes + one_more);
  EXPECT_GT(waiting, max_queued_bytes);
}

} // namespace sluice::test

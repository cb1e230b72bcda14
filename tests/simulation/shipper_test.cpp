#include <caf/typed_event_based_actor.hpp>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/shipper/checkpoints.hpp"
#include "actors/shipper/shipper.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

const endpoint address{"sim", "server", 1};
const endpoint other_address{"sim", "server", 2};
const std::filesystem::path checkpoint_file = "/state/checkpoints";

id128 make_store(std::uint8_t number) {
  id128 made;
  made.fill(number);
  return made;
}

/// A receiver by hand, which notes what it is told.
struct hand_receiver : link_handler {
  void on_open() override {}
  void on_message(link_message message, std::size_t) override {
    if (auto* x = std::get_if<hello>(&message)) {
      greeted.push_back(x->stream);
      last = *x;
    }
    if (auto* x = std::get_if<frame>(&message)) {
      ++frames;
      frame_bytes += x->size();
    }
  }
  void on_sent(std::size_t) override {}
  void on_closed(error) override {}
  std::vector<stream_id> greeted;
  hello last;
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
    ASSERT_TRUE(files_.create_folders(checkpoint_file.parent_path()));
    ASSERT_TRUE(files_.sync_folder("/"));
    listen();
    start();
  }

  void start() {
    shipper_config config;
    config.to = to_;
    config.epoch = ++epoch_;
    config.checkpoints = checkpoint_file;
    config.retry = retry_;
    config.max_queued_bytes = max_queued_bytes;
    shipper_ = process_.own(spawn_shipper(process_.system(), process_.env(), config));
    stats_ = process_.own(spawn_stats_aggregator(process_.system(), process_.env(), {}));
  }

  std::unique_ptr<listener> listen_on(const endpoint& where) {
    return net_
      ->listen(where, {},
        [this, where](std::unique_ptr<link> made) {
          connected_to_ = where;
          connection_ = std::move(made);
          connection_->start(receiver_);
          connection_->grant(1 << 20);
        })
      .value();
  }

  void listen() { listener_ = listen_on(address); }

  double metric(std::string_view name, const std::vector<std::pair<std::string, std::string>>& labels = {}) {
    auto answer = process_.ask<stats_snapshot>(stats_, status_atom_v);
    world_.run_until([&] { return answer->has_value(); }, 1s);
    return total((*answer)->value(), name, labels);
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

  /// Greets once more; `last` is durable in a store.
  void welcome_again(std::size_t greetings, const stream_point& last, std::uint8_t store) {
    ASSERT_TRUE(world_.run_until([&] { return receiver_->greeted.size() >= greetings; }, 100s));
    connection_->send(welcome{make_stream(1), last, make_store(store)});
    world_.run_for(1s);
  }

  static constexpr std::size_t max_queued_bytes = 100'000;
  std::vector<endpoint> to_{address};
  std::uint64_t epoch_ = 0;
  backoff_config retry_{.initial = 60s, .max = 60s};
  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "client", files_, 1};
  std::unique_ptr<network> net_ = world_.net().join("server");
  std::shared_ptr<hand_receiver> receiver_ = std::make_shared<hand_receiver>();
  std::unique_ptr<link> connection_;
  std::unique_ptr<listener> listener_;
  endpoint connected_to_;
  upstream_actor upstream_;
  std::vector<stream_id> welcomed_;
  stream_point welcomed_last_;
  shipper_actor shipper_;
  stats_actor stats_;
};

class shipper_that_retries : public shipper_alone {
protected:
  shipper_that_retries() { retry_ = {.initial = 1s, .max = 30s}; }
};

class shipper_with_two_receivers : public shipper_alone {
protected:
  shipper_with_two_receivers() { to_ = {address, other_address}; }
  void SetUp() override {
    second_ = listen_on(other_address);
    shipper_alone::SetUp();
  }
  std::unique_ptr<listener> second_;
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
TEST_F(shipper_that_retries, backs_off_longer_but_not_long_from_a_store_that_is_full) {
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
  EXPECT_GT(rounds, 120);
  EXPECT_LT(rounds, 300) << "about 2.5 s apart";

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

// -- a receiver that says nothing ---------------------------------------------------

TEST_F(shipper_alone, takes_a_receiver_for_dead_that_does_not_answer_a_greeting) {
  ASSERT_TRUE(reaches("handshaking"));
  open(1);
  world_.run_for(29s);
  EXPECT_EQ(state(), "handshaking");
  world_.run_for(2s);
  EXPECT_NE(state(), "handshaking");
  EXPECT_EQ(status()->last_error.code, errc::timed_out);
}

TEST_F(shipper_alone, takes_a_receiver_for_dead_that_acknowledges_nothing) {
  begin(1);
  world_.run_for(100s);
  EXPECT_EQ(state(), "streaming") << "it owes nothing";
  frame_maker maker{make_stream(1)};
  caf::anon_send(shipper_, maker.lines("a\n"));
  caf::anon_send(shipper_, maker.lines("b\n"));
  world_.run_for(20s);
  connection_->send(ack{make_stream(1), {1, 1, 2}});
  world_.run_for(20s);
  EXPECT_EQ(state(), "streaming") << "it answers, if slowly";
  connection_->send(ack{make_stream(1), {1, 1, 2}});
  world_.run_for(15s);
  EXPECT_NE(state(), "streaming") << "the same answer again is none";
  EXPECT_EQ(status()->last_error.code, errc::timed_out);
}

// What it sends arrives, what it should hear does not.
TEST_F(shipper_alone, leaves_a_link_that_carries_one_way_only) {
  begin(1);
  world_.net().stall("server", "client");
  caf::anon_send(shipper_, frame_maker{make_stream(1)}.lines("a\n"));
  ASSERT_TRUE(world_.run_until([this] { return receiver_->frames > 0; }, 10s));
  connection_->send(ack{make_stream(1), {1, 1, 2}});
  ASSERT_TRUE(world_.run_until([this] { return state() != "streaming"; }, 31s));
  world_.net().heal();
  welcome_again(2, {1, 1, 2}, 1);
  EXPECT_EQ(state(), "streaming");
  EXPECT_EQ(status()->acked_records, 1);
}

// -- several receivers --------------------------------------------------------------

TEST_F(shipper_with_two_receivers, goes_to_the_next_at_once_and_stays_there) {
  ASSERT_TRUE(reaches("handshaking"));
  EXPECT_EQ(connected_to_, address);
  connection_.reset();
  world_.run_for(1s);
  EXPECT_EQ(state(), "handshaking") << "without a pause";
  EXPECT_EQ(connected_to_, other_address);
  begin(1);
  connection_.reset();
  world_.run_for(1s);
  EXPECT_EQ(connected_to_, address) << "it had worked, so this is the first failure";
  connection_.reset();
  world_.run_for(1s);
  EXPECT_EQ(state(), "backing_off") << "after a round in vain";
  EXPECT_EQ(metric("sluice_shipper_connects_total", {{"to", "sim://server:2"}, {"result", "ok"}}), 1);
  EXPECT_EQ(metric("sluice_shipper_connects_total", {{"to", "sim://server:1"}, {"result", "ok"}}), 2);
}

TEST_F(shipper_with_two_receivers, goes_on_where_the_first_store_has_acknowledged) {
  begin(1);
  frame_maker maker{make_stream(1)};
  for (auto* text : {"a\n", "b\n", "c\n"})
    caf::anon_send(shipper_, maker.lines(text));
  welcome_again(1, {}, 7);
  caf::anon_send(shipper_, restart_stream{make_stream(1), {}}); // what the second welcome has asked for
  world_.run_for(1s);
  frame_maker again{make_stream(1)};
  for (auto* text : {"a\n", "b\n", "c\n"})
    caf::anon_send(shipper_, again.lines(text));
  world_.run_for(1s);
  connection_->send(ack{make_stream(1), {1, 1, 2}});
  world_.run_for(1s);
  auto sent = receiver_->frames;
  connection_.reset();
  world_.run_for(1s);
  EXPECT_EQ(connected_to_, other_address);
  EXPECT_EQ(receiver_->last, (hello{make_stream(1), {1, 1, 2}, make_store(7)}));
  welcome_again(2, {1, 1, 2}, 8);
  EXPECT_EQ(receiver_->frames, sent + 2) << "the two that are not acknowledged";
  connection_.reset();
  world_.run_for(1s);
  EXPECT_EQ(receiver_->last.store, make_store(7)) << "the second has only agreed";
  welcome_again(3, {1, 2, 4}, 7);
  connection_->send(ack{make_stream(1), {1, 3, 6}});
  world_.run_for(1s);
  EXPECT_EQ(status()->acked_records, 3);
}

// -- checkpoints --------------------------------------------------------------------

TEST_F(shipper_with_two_receivers, knows_after_a_restart_what_is_acknowledged_and_by_whom) {
  begin(1);
  caf::anon_send(shipper_, frame_maker{make_stream(1)}.lines("a\n"));
  world_.run_for(1s);
  connection_->send(welcome{make_stream(1), {1, 1, 2}, make_store(7)});
  world_.run_for(10s);
  caf::anon_send_exit(shipper_, caf::exit_reason::kill);
  world_.run_for(1s);
  connection_.reset();
  files_.crash();
  start();
  open(1);
  ASSERT_TRUE(world_.run_until([&] { return receiver_->greeted.size() >= 2; }, 100s));
  EXPECT_EQ(receiver_->last, (hello{make_stream(1), {1, 1, 2}, make_store(7)}));
}

TEST_F(shipper_alone, writes_its_checkpoints_now_and_then) {
  begin(1);
  frame_maker maker{make_stream(1)};
  for (std::uint64_t i = 1; i <= 100; ++i) {
    auto next = maker.lines("a\n");
    caf::anon_send(shipper_, next);
    world_.run_for(100ms);
    connection_->send(ack{make_stream(1), next.header().end_point()});
  }
  world_.run_for(10s);
  EXPECT_GE(files_.syncs(), 3);
  EXPECT_LE(files_.syncs(), 10);
}

TEST_F(shipper_alone, waits_until_another_process_has_written_its_checkpoints) {
  auto other = files_.lock(checkpoint_file.string() + ".lock");
  ASSERT_TRUE(other);
  begin(1);
  caf::anon_send(shipper_, frame_maker{make_stream(1)}.lines("a\n"));
  world_.run_for(100ms);
  connection_->send(ack{make_stream(1), {1, 1, 2}});
  world_.run_for(500ms);
  ASSERT_TRUE(checkpoints::update(files_, "/state/others", {{make_stream(2), checkpoints::entry{{1, 9, 90}, {}}}}));
  ASSERT_TRUE(files_.rename("/state/others", checkpoint_file));
  EXPECT_FALSE(checkpoints::read(files_, checkpoint_file)->find(make_stream(1)));
  other->reset();
  world_.run_for(500ms);
  auto both = checkpoints::read(files_, checkpoint_file);
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->find(make_stream(1)));
  EXPECT_TRUE(both->find(make_stream(2)));
}

// -- metrics ------------------------------------------------------------------------

TEST_F(shipper_alone, shows_its_state_and_how_long_acks_take) {
  begin(1);
  EXPECT_EQ(metric("sluice_shipper_state", {{"state", "connecting"}}), 0);
  EXPECT_EQ(metric("sluice_shipper_state", {{"state", "streaming"}}), 1);
  EXPECT_EQ(metric("sluice_shipper_state"), 1);
  caf::anon_send(shipper_, frame_maker{make_stream(1)}.lines("a\n"));
  world_.run_for(2s);
  connection_->send(ack{make_stream(1), {1, 1, 2}});
  world_.run_for(1s);
  EXPECT_EQ(metric("sluice_ack_latency_seconds_count"), 1);
  EXPECT_NEAR(metric("sluice_ack_latency_seconds_sum"), 2, 0.1);
  EXPECT_EQ(metric("sluice_ack_latency_seconds_bucket", {{"le", "1"}}), 0);
  EXPECT_EQ(metric("sluice_ack_latency_seconds_bucket", {{"le", "2.5"}}), 1);
  EXPECT_EQ(metric("sluice_ack_latency_seconds_bucket", {{"le", "+Inf"}}), 1);
}

} // namespace sluice::test

#include <caf/typed_event_based_actor.hpp>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "actors/receive_pipeline.hpp"
#include "actors/receiver/receiver.hpp"
#include "actors/storage/store.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

/// What a receiver has done to its link.
struct link_record {
  std::shared_ptr<link_handler> handler;
  std::vector<link_message> sent;
  std::size_t sent_bytes = 0, granted = 0;
  bool gone = false;
};

/// A link whose peer is the test.
class hand_link : public link {
public:
  explicit hand_link(std::shared_ptr<link_record> record) : record_(std::move(record)) {}
  ~hand_link() override { record_->gone = true; }

  void start(std::shared_ptr<link_handler> handler) override { record_->handler = std::move(handler); }
  std::size_t send(link_message message) override {
    auto bytes = encode_head(message).size();
    record_->sent.push_back(std::move(message));
    record_->sent_bytes += bytes;
    return bytes;
  }
  void grant(std::size_t bytes) override { record_->granted += bytes; }
  const std::string& peer() const noexcept override { return peer_; }

private:
  std::shared_ptr<link_record> record_;
  std::string peer_ = "peer:1";
};

class receiver_alone : public testing::Test {
protected:
  receiver_alone() {
    spdlog::set_level(spdlog::level::off);
    storage_ = process_.own(process_.system().spawn(&receiver_alone::store));
    process_.own(spawn_receiver(process_.system(), config_, std::make_unique<hand_link>(link_), storage_));
    world_.run_for(1s);
  }

  /// Takes what is of the first epoch.
  static storage_writer_actor::behavior_type store(storage_writer_actor::pointer) {
    return {
      [](const hello& x) {
        return welcome{x.stream, {}};
      },
      [](const frame& x) -> caf::result<ack> {
        auto last = x.header().end_point();
        if (last.epoch > 1)
          return to_caf({errc::storage_full, "full"});
        return ack{x.header().stream, last};
      },
      [](drain_atom) {},
    };
  }

  void say(link_message message, std::size_t credit = min_message_credit) {
    link_->handler->on_message(std::move(message), credit);
  }

  receiver_config config_;
  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "server", files_, 1};
  std::shared_ptr<link_record> link_ = std::make_shared<link_record>();
  storage_writer_actor storage_;
};

} // namespace

TEST_F(receiver_alone, answers_in_order_and_gives_the_credit_back) {
  frame_maker maker{make_stream(1)};
  say(hello{make_stream(1), {}});
  for (int i = 0; i < 20; ++i)
    say(maker.lines("x\n"), 5'000);
  world_.run_for(1s);
  ASSERT_EQ(link_->sent.size(), 21);
  EXPECT_TRUE(std::holds_alternative<welcome>(link_->sent[0]));
  for (std::uint64_t i = 1; i <= 20; ++i)
    EXPECT_EQ(std::get<ack>(link_->sent[i]).last.sequence, i);
  EXPECT_EQ(link_->granted, config_.window_bytes + min_message_credit + 20 * 5'000);
}

// Its answers piled up in memory while it went on asking.
TEST_F(receiver_alone, lets_a_peer_wait_that_does_not_read_its_answers) {
  std::size_t asked = 0;
  for (; asked * min_message_credit < link_->granted && asked < 20'000; ++asked) {
    say(hello{make_stream(1), {}});
    world_.run_for(1ms);
  }
  EXPECT_LT(asked, 20'000);
  auto answer_bytes = encode_head(welcome{}).size();
  auto in_window = config_.window_bytes / min_message_credit;
  EXPECT_LE(link_->sent_bytes, config_.max_unsent_bytes + (in_window + 1) * answer_bytes);
  link_->handler->on_sent(link_->sent_bytes);
  world_.run_for(1s);
  EXPECT_EQ(link_->granted, config_.window_bytes + asked * min_message_credit);
}

TEST_F(receiver_alone, ends_with_a_notice_once_all_that_storage_has_is_answered) {
  frame_maker maker{make_stream(1)};
  say(maker.lines("x\n"));
  maker.start_epoch(2);
  say(maker.lines("y\n"));
  say(hello{make_stream(2), {}});
  world_.run_for(1s);
  ASSERT_EQ(link_->sent.size(), 3);
  EXPECT_TRUE(std::holds_alternative<ack>(link_->sent[0]));
  EXPECT_TRUE(std::holds_alternative<welcome>(link_->sent[1]));
  auto last = std::get<notice>(link_->sent[2]);
  EXPECT_TRUE(last.closing);
  EXPECT_EQ(last.reason.code, errc::storage_full);
  EXPECT_TRUE(link_->gone);
}

// They were closed, and a first shipper had to connect a second time.
TEST(receive_pipeline, keeps_connections_that_come_before_there_is_an_acceptor) {
  spdlog::set_level(spdlog::level::off);
  sim_world world{1};
  sim_file_system files{1};
  sim_process process{world, "server", files, 1};
  receive_pipeline_config config;
  config.folder = "/store";
  config.acceptor.max_connections = 2;
  auto opened = store::open(files, config.folder, config.store, process.env().now());
  ASSERT_TRUE(opened) << opened.error().message;
  auto pipeline = process.own(spawn_receive_pipeline(process.system(), process.env(), config, std::move(*opened)));
  std::vector<std::shared_ptr<link_record>> links;
  for (int i = 0; i < 3; ++i) {
    auto& record = links.emplace_back(std::make_shared<link_record>());
    std::unique_ptr<link> made = std::make_unique<hand_link>(record);
    caf::anon_send(pipeline, accepted_link{std::make_shared<std::unique_ptr<link>>(std::move(made))});
  }
  world.run_for(1s);
  for (auto i : {0, 1}) {
    ASSERT_TRUE(links[i]->handler) << i;
    EXPECT_FALSE(links[i]->gone) << i;
    links[i]->handler->on_message(hello{make_stream(1), {}}, min_message_credit);
  }
  world.run_for(1s);
  for (auto i : {0, 1})
    EXPECT_EQ(links[i]->sent.size(), 1) << i;
  EXPECT_TRUE(links[2]->gone) << "no more than the acceptor would take";
  EXPECT_FALSE(links[2]->handler);
}

} // namespace sluice::test

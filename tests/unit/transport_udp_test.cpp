#include "tests/unit/transport_support.hpp"

namespace sluice::test {

namespace {

/// Counts what a listener hears; other threads wait for it.
class counting_handler : public datagram_handler {
public:
  void on_datagrams(datagram_block block, std::size_t) override {
    note([&] { came_ += block.ends.size(); });
  }
  void on_dropped(std::uint64_t datagrams) override {
    note([&] { dropped_ += datagrams; });
  }
  void on_finished() override {
    note([&] { is_finished_ = true; });
  }

  bool await_any() {
    return await([&] { return came_ > 0; });
  }
  bool await_dropped_more_than(std::uint64_t datagrams) {
    return await([&] { return dropped_ > datagrams; });
  }
  bool await_known(std::uint64_t datagrams) {
    return await([&] { return came_ + dropped_ >= datagrams; });
  }
  bool await_finished() {
    return await([&] { return is_finished_; });
  }

  std::uint64_t came() {
    std::lock_guard guard{mutex_};
    return came_;
  }
  std::uint64_t dropped() {
    std::lock_guard guard{mutex_};
    return dropped_;
  }

private:
  template <class Change>
  void note(Change change) {
    std::lock_guard guard{mutex_};
    EXPECT_FALSE(is_finished_) << "on_finished was not the last call";
    change();
    changed_.notify_all();
  }

  template <class Condition>
  bool await(Condition condition) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, patience, condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t came_ = 0, dropped_ = 0;
  bool is_finished_ = false;
};

class udp_listener_test : public testing::Test {
protected:
  static constexpr std::uint64_t burst = 500;
  static constexpr std::size_t one_call = 1; ///< A credit that one system call uses up, whatever it reads.

  void SetUp() override {
    auto made =
      network_.listen({"syslog+udp", "127.0.0.1", 0}, datagram_options{.receive_buffer_bytes = 8'192}, handler_);
    ASSERT_TRUE(made) << made.error().message;
    listener_ = std::move(*made);
    ASSERT_TRUE(sender_.connect(listener_->local().port));
  }

  /// More than there is room for, and nothing behind them that would tell.
  void send_burst() {
    for (std::uint64_t i = 0; i < burst; ++i)
      ASSERT_TRUE(sender_.send("<13>Oct 11 22:14:15 host app: hello"));
  }

  std::shared_ptr<counting_handler> handler_ = std::make_shared<counting_handler>();
  socket_network network_;
  std::unique_ptr<intake_listener> listener_;
  raw_socket sender_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

} // namespace

// Of the end of a burst nothing was known until the next datagram came, perhaps never.
TEST_F(udp_listener_test, tells_what_was_dropped_though_nothing_follows) {
  send_burst();
  listener_->grant(plenty);
  EXPECT_TRUE(handler_->await_known(burst));
  EXPECT_EQ(handler_->came() + handler_->dropped(), burst);
  EXPECT_GT(handler_->came(), 0u);
  EXPECT_GT(handler_->dropped(), 0u);
}

TEST_F(udp_listener_test, tells_once_what_was_dropped_while_others_waited_to_be_read) {
  send_burst();
  listener_->grant(one_call);
  ASSERT_TRUE(handler_->await_any());
  send_burst();
  ASSERT_TRUE(handler_->await_dropped_more_than(burst)); // what waits now does not know of that
  listener_->grant(plenty);
  EXPECT_TRUE(handler_->await_known(2 * burst));
  ASSERT_TRUE(sender_.send("one more, which knows it all"));
  EXPECT_TRUE(handler_->await_known(2 * burst + 1));
  listener_->finish();
  EXPECT_TRUE(handler_->await_finished());
  EXPECT_EQ(handler_->came() + handler_->dropped(), 2 * burst + 1);
}

TEST_F(udp_listener_test, tells_at_the_end_what_was_dropped_since_the_last_datagram) {
  send_burst();
  listener_->grant(plenty);
  listener_->finish();
  EXPECT_TRUE(handler_->await_finished());
  EXPECT_EQ(handler_->came() + handler_->dropped(), burst);
}

} // namespace sluice::test

#include <set>

#include "tests/unit/transport_support.hpp"

namespace sluice::test {

namespace {

const endpoint any_port{"tcp", "127.0.0.1", 0};
const link_options takes_over{.takes_over = true};

/// Remembers datagrams.
class datagrams_heard : public datagram_handler {
public:
  void on_datagrams(datagram_block block, std::size_t) override {
    note([&] { block.for_each([&](std::string_view text) { heard_.emplace(text); }); });
  }
  void on_dropped(std::uint64_t) override {}
  void on_finished() override {
    note([&] { is_finished_ = true; });
  }

  bool await(std::size_t count) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, patience, [&] { return heard_.size() >= count; });
  }
  bool await_finished() {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, patience, [&] { return is_finished_; });
  }
  std::multiset<std::string> heard() {
    std::lock_guard guard{mutex_};
    return heard_;
  }

private:
  template <class Change>
  void note(Change change) {
    std::lock_guard guard{mutex_};
    change();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multiset<std::string> heard_;
  bool is_finished_ = false;
};

class takeover : public testing::Test {
protected:
  std::unique_ptr<listener> listen(
    const endpoint& where, accepted_links& to, const link_options& options = takes_over) {
    auto made = network_.listen(where, options, to.handler());
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }

  accepted_links first_, second_;
  socket_network network_;
};

} // namespace

TEST_F(takeover, of_nobody_is_listening) {
  auto made = listen(any_port, first_);
  raw_socket client;
  EXPECT_TRUE(client.connect(made->local().port));
  EXPECT_TRUE(first_.take());
}

TEST_F(takeover, leaves_no_moment_in_which_nobody_listens) {
  auto old = listen(any_port, first_);
  auto where = old->local();
  for (int turn = 0; turn < 10; ++turn) {
    auto next = listen(where, first_);
    raw_socket meanwhile, after;
    EXPECT_TRUE(meanwhile.connect(where.port));
    old = std::move(next);
    EXPECT_TRUE(after.connect(where.port));
    EXPECT_TRUE(first_.take());
    EXPECT_TRUE(first_.take());
  }
}

TEST_F(takeover, hands_on_who_was_not_accepted_yet) {
  auto old = listen(any_port, first_);
  auto where = old->local();
  auto next = listen(where, second_);
  old.reset();
  raw_socket client;
  EXPECT_TRUE(client.connect(where.port));
  EXPECT_TRUE(second_.take());
}

TEST_F(takeover, can_be_undone) {
  auto old = listen(any_port, first_);
  auto where = old->local();
  listen(where, second_).reset();
  raw_socket client;
  EXPECT_TRUE(client.connect(where.port));
  EXPECT_TRUE(first_.take());
}

TEST_F(takeover, has_to_be_asked_for) {
  auto old = listen(any_port, first_);
  auto made = network_.listen(old->local(), {}, second_.handler());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::address_in_use);
}

TEST_F(takeover, leaves_the_port_free_at_the_end) {
  auto old = listen(any_port, first_);
  auto where = old->local();
  auto next = listen(where, second_);
  old.reset();
  next.reset();
  EXPECT_TRUE(listen(where, first_, {}));
}

TEST_F(takeover, goes_from_one_kind_of_listener_to_another) {
  auto old = listen(any_port, first_);
  auto bytes = std::make_shared<datagrams_heard>();
  auto udp = network_.listen({"syslog+udp", "127.0.0.1", old->local().port}, {.takes_over = true}, bytes);
  EXPECT_TRUE(udp) << "another protocol's port is not taken: " << udp.error().message;
}

TEST_F(takeover, loses_no_datagram_and_doubles_none) {
  constexpr datagram_options options{.takes_over = true};
  constexpr std::size_t turns = 20, each = 50;
  auto handler = std::make_shared<datagrams_heard>();
  auto old = network_.listen({"syslog+udp", "127.0.0.1", 0}, options, handler);
  ASSERT_TRUE(old) << old.error().message;
  (*old)->grant(plenty);
  auto where = (*old)->local();
  raw_socket sender{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ASSERT_TRUE(sender.connect(where.port));
  std::multiset<std::string> sent;
  auto send = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      EXPECT_TRUE(sender.send(*sent.insert(std::to_string(sent.size()))));
  };
  std::vector<std::shared_ptr<datagrams_heard>> handlers{handler};
  for (std::size_t turn = 0; turn < turns; ++turn) {
    send(each);
    auto next = network_.listen(where, options, handlers.emplace_back(std::make_shared<datagrams_heard>()));
    ASSERT_TRUE(next) << next.error().message;
    (*next)->grant(plenty);
    send(each);
    (*old)->finish();
    ASSERT_TRUE(handlers[turn]->await_finished());
    old = std::move(next);
  }
  send(each);
  std::multiset<std::string> heard;
  for (std::size_t i = 0; i < turns; ++i)
    heard.merge(handlers[i]->heard());
  ASSERT_TRUE(handlers.back()->await(sent.size() - heard.size()));
  heard.merge(handlers.back()->heard());
  EXPECT_EQ(heard, sent);
}

} // namespace sluice::test

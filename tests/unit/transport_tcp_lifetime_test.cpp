#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <thread>

#include <fcntl.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include "tests/unit/transport_support.hpp"

namespace sluice::test {
namespace {

using tcp_lifetime_test = tcp_fixture;

/// Destroys a link from within a call.
class destroyer : public recorder {
public:
  enum class moment { open, message, sent, closed };

  explicit destroyer(moment when) : when_{when} {}

  void on_open() override {
    recorder::on_open();
    end(moment::open);
  }
  void on_message(link_message message, std::size_t credit) override {
    recorder::on_message(std::move(message), credit);
    end(moment::message);
  }
  void on_sent(std::size_t bytes) override {
    recorder::on_sent(bytes);
    end(moment::sent);
  }
  void on_closed(error reason) override {
    recorder::on_closed(std::move(reason));
    end(moment::closed);
  }

  std::atomic<bool> ended = false;
  std::unique_ptr<link> target; // set before the link is started

private:
  void end(moment now) {
    EXPECT_FALSE(ended) << "called after its link was destroyed";
    if (now != when_)
      return;
    target.reset();
    ended = true;
    ended.notify_all();
  }

  moment when_;
};

TEST_F(tcp_lifetime_test, a_handler_may_destroy_its_link) {
  listen();
  using enum destroyer::moment;
  for (auto when : {open, message, sent, closed}) {
    auto doomed = std::make_shared<destroyer>(when);
    client_ = std::make_shared<recorder>();
    client_link_ = connect(client_);
    client_link_->grant(plenty);
    doomed->target = accepted_.take();
    ASSERT_TRUE(doomed->target);
    auto& doomed_link = *doomed->target;
    doomed_link.grant(plenty);
    doomed_link.send(make_ack(1));
    client_link_->send(hello{});
    client_link_->send(hello{});
    doomed_link.start(doomed);
    if (when == closed) {
      ASSERT_TRUE(doomed->await_messages(2));
      client_link_.reset();
    }
    doomed->ended.wait(false);
    if (when != closed) {
      EXPECT_EQ(client_->await_closed().code, errc::connection_lost);
    }
  }
}

TEST_F(tcp_lifetime_test, a_destroyed_link_lets_go_of_its_handler) {
  std::promise<void> gone;
  client_.reset(new recorder, [&gone](recorder* handler) {
    delete handler;
    gone.set_value();
  });
  open();
  client_.reset();
  client_link_.reset();
  EXPECT_EQ(gone.get_future().wait_for(patience), std::future_status::ready);
}

TEST_F(tcp_lifetime_test, a_destroyed_link_flushes_what_was_sent) {
  open();
  server_link_->grant(plenty);
  for (std::uint64_t i = 1; i <= 50; ++i)
    client_link_->send(make_frame(i, 100'000));
  client_link_.reset();
  EXPECT_TRUE(server_->await_messages(50));
  EXPECT_EQ(server_->await_closed().message, "tcp://" + server_link_->peer() + ": the peer closed the connection");
}

TEST_F(tcp_lifetime_test, a_peer_that_reads_nothing_delays_the_end_by_a_second_at_most) {
  {
    socket_network other;
    listen();
    client_link_ = other.connect(listener_->local(), {});
    client_link_->start(client_);
    ASSERT_TRUE(accept());
    ASSERT_TRUE(client_->await_open());
    for (std::uint64_t i = 1; i <= 64; ++i)
      client_link_->send(make_frame(i, 1 << 20));
    client_link_.reset();
  } // would hang here
  EXPECT_TRUE(server_->messages().empty());
}

TEST_F(tcp_lifetime_test, links_and_listeners_that_outlive_their_network_are_mute) {
  auto other = std::make_unique<socket_network>();
  auto made = other->listen({"tcp", "127.0.0.1", 0}, {}, accepted_.handler());
  ASSERT_TRUE(made);
  auto orphan = other->connect((*made)->local(), {});
  orphan->start(client_);
  ASSERT_TRUE(accept());
  ASSERT_TRUE(client_->await_open());
  other.reset();
  orphan->grant(1);
  orphan->send(hello{});
  EXPECT_FALSE(client_->is_closed());
}

TEST_F(tcp_lifetime_test, an_accepted_link_that_is_never_started_is_closed) {
  listen();
  client_link_ = connect(client_);
  ASSERT_TRUE(accepted_.take());
  EXPECT_EQ(client_->await_closed().code, errc::connection_lost);
}

TEST_F(tcp_lifetime_test, an_accept_handler_may_destroy_its_listener) {
  auto on_accept = [this, take = accepted_.handler()](std::unique_ptr<link> accepted) {
    listener_.reset();
    take(std::move(accepted));
  };
  auto made = network_.listen({"tcp", "127.0.0.1", 0}, {}, on_accept);
  ASSERT_TRUE(made);
  auto where = (*made)->local();
  listener_ = std::move(*made);
  client_link_ = connect(where, client_);
  ASSERT_TRUE(accept());
  EXPECT_TRUE(client_->await_open());
  auto late = std::make_shared<recorder>();
  auto late_link = connect(where, late);
  EXPECT_EQ(late->await_closed().code, errc::unreachable);
}

/// Fails the test if it is called once `over` is set.
class watchful : public link_handler {
public:
  void on_open() override { EXPECT_FALSE(over); }
  void on_message(link_message, std::size_t) override { EXPECT_FALSE(over); }
  void on_sent(std::size_t) override { EXPECT_FALSE(over); }
  void on_closed(error) override { EXPECT_FALSE(over); }

  std::atomic<bool> over = false;
};

TEST_F(tcp_lifetime_test, no_call_begins_after_a_link_is_destroyed) {
  constexpr unsigned rounds = 300;
  const auto seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random{seed};
  std::mutex mutex;
  std::vector<std::pair<std::unique_ptr<link>, std::shared_ptr<watchful>>> accepted;
  auto made = network_.listen({"tcp", "127.0.0.1", 0}, {}, [&](std::unique_ptr<link> next) {
    auto handler = std::make_shared<watchful>();
    next->start(handler);
    next->grant(plenty);
    for (std::uint64_t i = 1; i <= 5; ++i)
      next->send(make_ack(i));
    std::lock_guard guard{mutex};
    accepted.emplace_back(std::move(next), handler);
  });
  ASSERT_TRUE(made);
  auto end = [](auto& pair) {
    pair.first.reset();
    pair.second->over = true;
  };
  std::vector<std::pair<std::unique_ptr<link>, std::shared_ptr<watchful>>> clients;
  for (unsigned round = 0; round < rounds; ++round) {
    auto handler = std::make_shared<watchful>();
    clients.emplace_back(connect((*made)->local(), handler), handler);
    clients.back().first->grant(plenty);
    for (std::uint64_t i = 1; i <= 5; ++i)
      clients.back().first->send(make_frame(i, 1 + random() % 20'000));
    if (random() % 2 == 0)
      end(clients[random() % clients.size()]);
    std::lock_guard guard{mutex};
    if (!accepted.empty() && random() % 3 == 0)
      end(accepted[random() % accepted.size()]);
  }
  made->reset();
  std::ranges::for_each(clients, end);
  std::ranges::for_each(accepted, end);
}

/// Takes all file descriptors of the process but those that are open.
class descriptor_famine {
public:
  descriptor_famine() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low{std::min<rlim_t>(before_.rlim_cur, 256), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
    for (int number = 0; (number = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1;)
      taken_.push_back(number);
  }
  ~descriptor_famine() {
    for (auto number : taken_)
      ::close(number);
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }

private:
  rlimit before_{};
  std::vector<int> taken_;
};

/// Catches the log, and waits for a line.
class log_watch : public spdlog::sinks::base_sink<std::mutex> {
public:
  static std::shared_ptr<log_watch> begin() {
    auto watch = std::make_shared<log_watch>();
    watch->before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("watched", watch));
    return watch;
  }
  void end() { spdlog::set_default_logger(before_); }

  bool await(std::string_view text) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, patience, [&] { return lines_.find(text) != std::string::npos; });
  }

  std::size_t count(std::string_view text) {
    std::lock_guard guard{mutex_};
    std::size_t result = 0;
    for (auto at = lines_.find(text); at != std::string::npos; at = lines_.find(text, at + 1))
      ++result;
    return result;
  }

protected:
  void sink_it_(const spdlog::details::log_msg& line) override {
    lines_.append(line.payload.data(), line.payload.size()).push_back('\n');
    changed_.notify_all();
  }
  void flush_() override {}

private:
  std::shared_ptr<spdlog::logger> before_;
  std::string lines_;
  std::condition_variable_any changed_;
};

TEST(tcp_listener_test, outlives_a_famine_of_descriptors) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "the sanitizer reports sound objects when it gets no descriptor to look at them";
#endif
  auto log = log_watch::begin();
  {
    socket_network network;
    accepted_links accepted;
    auto made = network.listen({"tcp", "127.0.0.1", 0}, {}, accepted.handler());
    ASSERT_TRUE(made);
    raw_socket first, second;
    {
      descriptor_famine famine;
      auto port = (*made)->local().port;
      ASSERT_TRUE(first.connect(port) && second.connect(port));
      EXPECT_TRUE(log->await("cannot accept connections"));
    }
    EXPECT_TRUE(accepted.take());
    EXPECT_TRUE(accepted.take());
  }
  EXPECT_EQ(log->count("cannot accept connections"), 1u);
  log->end();
}

} // namespace
} // namespace sluice::test

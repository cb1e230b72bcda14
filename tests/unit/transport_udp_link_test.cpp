#include <atomic>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "messages/datagram.hpp"
#include "tests/unit/transport_support.hpp"
#include "transport/datagram_tally.hpp"
#include "transport/datagram_tokens.hpp"

namespace sluice::test {
namespace {

/// A plain socket for datagrams.
class raw_datagrams {
public:
  raw_datagrams() : socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_.number(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    int bytes = 4 * 1024 * 1024;
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }

  std::uint16_t port() const {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    ::getsockname(socket_.number(), reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
  }

  bool connect(std::uint16_t port) { return socket_.connect(port); }
  bool send(std::string_view bytes) { return socket_.send(bytes); }

  bool send(const datagram_head& head, std::string_view payload = {}) {
    return send(std::string{as_text(encode_datagram_head(head, as_bytes(payload)))} + std::string{payload});
  }

  /// The next that comes within `wait`, or nothing.
  std::string receive(std::chrono::milliseconds wait = patience) {
    pollfd waiting{socket_.number(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(wait.count())) != 1)
      return {};
    std::string bytes(datagram_limits::max_bytes, '\0');
    auto count = ::recv(socket_.number(), bytes.data(), bytes.size(), 0);
    bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return bytes;
  }

  int number() const { return socket_.number(); }

private:
  raw_socket socket_;
};

/// Passes datagrams on, but drops, doubles and holds back some, as its seed says.
class lossy_relay {
public:
  lossy_relay(std::uint16_t to, std::uint64_t seed) : random_{seed} {
    EXPECT_TRUE(back_.connect(to));
    thread_ = std::thread{[this] { run(); }};
  }
  ~lossy_relay() {
    is_done_ = true;
    thread_.join();
  }

  std::uint16_t port() const { return front_.port(); }

private:
  bool happens(double chance) { return std::bernoulli_distribution{chance}(random_); }

  void run() {
    while (!is_done_) {
      std::array waiting{pollfd{front_.number(), POLLIN, 0}, pollfd{back_.number(), POLLIN, 0}};
      ::poll(waiting.data(), waiting.size(), 5);
      pass(front_, back_, held_[0]);
      if (has_client_)
        pass(back_, front_, held_[1]);
    }
  }

  void pass(raw_datagrams& from, raw_datagrams& to, std::vector<std::string>& held) {
    if (&from == &front_ && !has_client_)
      meet();
    for (auto bytes = from.receive(0ms); !bytes.empty(); bytes = from.receive(0ms)) {
      if (happens(0.1))
        continue;
      if (happens(0.1)) {
        held.push_back(bytes);
        continue;
      }
      to.send(bytes);
      if (happens(0.05))
        to.send(bytes);
    }
    for (auto& bytes : std::exchange(held, {}))
      to.send(bytes); // behind what came later
  }

  /// Answers go to whoever says something first.
  void meet() {
    sockaddr_in client{};
    socklen_t size = sizeof client;
    if (::recvfrom(front_.number(), nullptr, 0, MSG_PEEK | MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&client), &size) >=
        0)
      has_client_ = ::connect(front_.number(), reinterpret_cast<sockaddr*>(&client), size) == 0;
  }

  std::mt19937_64 random_;
  raw_datagrams front_, back_;
  std::array<std::vector<std::string>, 2> held_;
  bool has_client_ = false;
  std::atomic<bool> is_done_ = false;
  std::thread thread_;
};

class udp_link_test : public tcp_fixture {
protected:
  udp_link_test() {
    scheme_ = "udp";
    network_.datagrams().report_to([this](datagram_event what, std::uint64_t times) {
      std::lock_guard guard{mutex_};
      counted_[what] += times;
      changed_.notify_all();
    });
  }
  ~udp_link_test() override { network_.datagrams().report_to({}); }

  std::uint64_t counted(datagram_event what) {
    std::lock_guard guard{mutex_};
    return counted_[what];
  }

  bool await_counted(datagram_event what, std::uint64_t times, std::chrono::milliseconds wait = patience) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, wait, [&] { return counted_[what] >= times; });
  }

  /// What the listener answers, or that it says nothing, which shows when it answers something later.
  datagram_head answer(raw_datagrams& client) {
    auto bytes = client.receive();
    auto found = decode_datagram(as_bytes(bytes));
    EXPECT_TRUE(found && found->payload.empty()) << bytes.size();
    return found ? found->head : datagram_head{};
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<datagram_event, std::uint64_t> counted_;
};

// -- messages and credit ----------------------------------------------------------------------------------------------

TEST_F(udp_link_test, messages_arrive_intact_both_ways) {
  open();
  client_link_->grant(plenty);
  server_link_->grant(plenty);
  hello greeting{{id128{1}, id128{2}}, {3, 4, 5}};
  auto sent = make_frame(5, 3'000'000); // many datagrams, more than the window
  auto queued = client_link_->send(greeting) + client_link_->send(sent);
  ASSERT_TRUE(server_->await_messages(2));
  auto got = server_->messages();
  EXPECT_EQ(std::get<hello>(got[0]), greeting);
  EXPECT_EQ(as_text(std::get<frame>(got[1]).bytes()), as_text(sent.bytes()));
  EXPECT_TRUE(client_->await_sent(queued));
  server_link_->send(make_ack(5));
  ASSERT_TRUE(client_->await_messages(1));
  EXPECT_EQ(std::get<ack>(client_->messages()[0]), make_ack(5));
  EXPECT_EQ(client_link_->peer(), "127.0.0.1:" + std::to_string(port()));
  EXPECT_GT(counted(datagram_event::received), 90u);
  EXPECT_EQ(counted(datagram_event::invalid), 0u);
}

TEST_F(udp_link_test, many_messages_keep_their_order) {
  open();
  server_link_->grant(plenty);
  constexpr std::uint64_t count = 3'000;
  for (std::uint64_t i = 1; i <= count; ++i)
    client_link_->send(make_frame(i, 1 + i * 7 % 5'000));
  ASSERT_TRUE(server_->await_messages(count));
  auto got = server_->messages();
  for (std::uint64_t i = 1; i <= count; ++i)
    ASSERT_EQ(std::get<frame>(got[i - 1]).header().sequence, i);
}

TEST_F(udp_link_test, without_credit_the_sender_stops_and_goes_on_later) {
  open();
  client_link_->grant(plenty);
  constexpr std::size_t count = 16; // MiB
  std::size_t total = 0;
  for (std::uint64_t i = 1; i <= count; ++i)
    total += client_link_->send(make_frame(i, 1 << 20));
  server_link_->grant(1); // overdrawn by the first message
  ASSERT_TRUE(server_->await_messages(1));
  for (std::uint64_t i = 1; i <= 20; ++i) { // twenty round trips in which more could come
    server_link_->send(make_ack(i));
    ASSERT_TRUE(client_->await_messages(i));
  }
  EXPECT_EQ(server_->messages().size(), 1u);
  EXPECT_LT(client_->sent(), total);
  server_link_->grant(plenty);
  EXPECT_TRUE(server_->await_messages(count));
  EXPECT_TRUE(client_->await_sent(total));
}

TEST_F(udp_link_test, several_links_share_a_port) {
  open();
  auto other = std::make_shared<recorder>(), other_server = std::make_shared<recorder>();
  auto other_link = connect(other);
  auto other_end = accepted_.take();
  ASSERT_TRUE(other_end);
  other_end->start(other_server);
  ASSERT_TRUE(other->await_open());
  other_end->grant(plenty);
  server_link_->grant(plenty);
  client_link_->send(make_frame(1, 100'000));
  other_link->send(make_frame(2, 100'000));
  ASSERT_TRUE(server_->await_messages(1) && other_server->await_messages(1));
  EXPECT_EQ(std::get<frame>(server_->messages()[0]).header().sequence, 1u);
  EXPECT_EQ(std::get<frame>(other_server->messages()[0]).header().sequence, 2u);
}

TEST_F(udp_link_test, nothing_is_lost_doubled_or_reordered_by_a_network_that_does) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    listen();
    lossy_relay relay{port(), seed};
    client_ = std::make_shared<recorder>();
    server_ = std::make_shared<recorder>();
    client_link_ = connect({"udp", "127.0.0.1", relay.port()}, client_);
    ASSERT_TRUE(accept());
    client_link_->grant(plenty);
    server_link_->grant(plenty);
    constexpr std::uint64_t count = 60;
    for (std::uint64_t i = 1; i <= count; ++i)
      client_link_->send(make_frame(i, i * 977 % 60'000));
    ASSERT_TRUE(server_->await_messages(count));
    for (std::uint64_t i = 1; i <= count; ++i)
      server_link_->send(make_ack(i));
    ASSERT_TRUE(client_->await_messages(count));
    for (std::uint64_t i = 1; i <= count; ++i) {
      EXPECT_EQ(
        as_text(std::get<frame>(server_->messages()[i - 1]).bytes()), as_text(make_frame(i, i * 977 % 60'000).bytes()));
      EXPECT_EQ(std::get<ack>(client_->messages()[i - 1]), make_ack(i));
    }
    EXPECT_EQ(server_->messages().size(), count);
  }
  EXPECT_GT(counted(datagram_event::repeated), 0u);
  EXPECT_GT(counted(datagram_event::duplicate), 0u);
  EXPECT_GT(counted(datagram_event::gap), 0u);
}

// -- beginnings and ends ----------------------------------------------------------------------------------------------

TEST_F(udp_link_test, a_closed_port_is_unreachable) {
  std::uint16_t closed = raw_datagrams{}.port();
  client_link_ = connect({"udp", "127.0.0.1", closed}, client_);
  auto reason = client_->await_closed();
  EXPECT_EQ(reason.code, errc::unreachable);
  EXPECT_EQ(reason.message, "udp://127.0.0.1:" + std::to_string(closed) + ": connection refused");
}

TEST_F(udp_link_test, connecting_has_a_deadline) {
  raw_datagrams silent;
  client_link_ = connect({"udp", "127.0.0.1", silent.port()}, client_, {.connect_timeout = 50ms});
  auto reason = client_->await_closed();
  EXPECT_EQ(reason.code, errc::unreachable);
  EXPECT_NE(reason.message.find("no connection within 50 ms"), std::string::npos) << reason.message;
}

TEST_F(udp_link_test, a_destroyed_link_flushes_what_was_sent) {
  open();
  server_link_->grant(plenty);
  for (std::uint64_t i = 1; i <= 50; ++i)
    client_link_->send(make_frame(i, 100'000));
  client_link_.reset();
  EXPECT_TRUE(server_->await_messages(50));
  EXPECT_EQ(server_->await_closed().message, "udp://" + server_link_->peer() + ": the peer closed the connection");
}

TEST_F(udp_link_test, a_closing_notice_is_read_before_the_end) {
  open();
  client_link_->grant(plenty);
  server_link_->send(notice{{errc::shutting_down, "enough"}, true});
  server_link_.reset();
  ASSERT_TRUE(client_->await_messages(1));
  EXPECT_EQ(std::get<notice>(client_->messages()[0]).reason.message, "enough");
  EXPECT_EQ(client_->await_closed().code, errc::connection_lost);
}

TEST_F(udp_link_test, links_outlive_their_listener_and_nobody_is_accepted_any_more) {
  open();
  server_link_->grant(plenty);
  auto where = listener_->local();
  listener_.reset();
  auto late = std::make_shared<recorder>();
  auto late_link = connect(where, late, {.connect_timeout = 300ms});
  client_link_->send(make_frame(1, 1'000));
  EXPECT_TRUE(server_->await_messages(1));
  EXPECT_EQ(late->await_closed().code, errc::unreachable);
}

TEST_F(udp_link_test, a_port_in_use_is_reported) {
  listen();
  auto second = network_.listen(listener_->local(), link_options{}, accepted_.handler());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::address_in_use);
}

// -- strangers --------------------------------------------------------------------------------------------------------

TEST_F(udp_link_test, garbage_is_dropped_counted_and_not_answered) {
  open();
  server_link_->grant(plenty);
  raw_datagrams stranger;
  ASSERT_TRUE(stranger.connect(port()));
  std::mt19937_64 random{1};
  constexpr std::uint64_t count = 200;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string bytes(random() % 2'000, '\0');
    for (auto& x : bytes)
      x = static_cast<char>(random());
    if (i % 3 == 0)
      bytes = "SLDG\x01\x03" + bytes;
    ASSERT_TRUE(stranger.send(bytes));
  }
  ASSERT_TRUE(await_counted(datagram_event::invalid, count));
  ASSERT_TRUE(stranger.send({.kind = datagram_kind::open, .connection = 1}));
  EXPECT_EQ(answer(stranger).kind, datagram_kind::token) << "the first answer is that to what was right";
  client_link_->send(make_frame(1, 100'000));
  EXPECT_TRUE(server_->await_messages(1));
}

/// Keeps the network's thread busy.
class sleeper : public recorder {
public:
  explicit sleeper(std::shared_future<void> until) : until_{std::move(until)} {}

  void on_open() override {
    recorder::on_open();
    until_.wait();
  }

private:
  std::shared_future<void> until_;
};

TEST_F(udp_link_test, what_the_kernel_drops_is_counted_to_the_datagram) {
  std::promise<void> awake;
  server_ = std::make_shared<sleeper>(awake.get_future().share());
  listen();
  client_link_ = connect(client_);
  ASSERT_TRUE(accept() && server_->await_open());
  raw_datagrams stranger;
  ASSERT_TRUE(stranger.connect(port()));
  std::string garbage(1'000, 'x');
  std::uint64_t sent = 0;
  for (; sent < 40'000; ++sent) // more than the buffer holds
    ASSERT_TRUE(stranger.send(garbage));
  awake.set_value();
  auto known = [this] { return counted(datagram_event::invalid) + counted(datagram_event::kernel_dropped); };
  for (auto until = std::chrono::steady_clock::now() + patience; known() < sent;) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    ASSERT_TRUE(stranger.send(garbage)); // one that comes through tells of those before it
    ++sent;
    await_counted(datagram_event::invalid, counted(datagram_event::invalid) + 1, 100ms);
  }
  EXPECT_GT(counted(datagram_event::kernel_dropped), 0u);
  EXPECT_LE(known(), sent + 2) << "and the link's own";
}

TEST_F(udp_link_test, without_its_token_nobody_is_accepted_and_no_answer_is_longer_than_what_it_answers) {
  listen();
  raw_datagrams stranger;
  ASSERT_TRUE(stranger.connect(port()));
  datagram_head first{.kind = datagram_kind::data, .connection = 7, .token = 8, .number = 1};
  ASSERT_TRUE(stranger.send(first, as_text(preface())));
  auto closed = answer(stranger);
  EXPECT_EQ(closed.kind, datagram_kind::close);
  EXPECT_EQ(closed.connection, 7u);
  EXPECT_EQ(closed.token, 8u);
  ASSERT_TRUE(stranger.send({.kind = datagram_kind::open, .connection = 7}));
  first.token = answer(stranger).token;
  first.number = 2;
  ASSERT_TRUE(stranger.send(first, "x"));
  EXPECT_EQ(answer(stranger).kind, datagram_kind::close) << "a connection begins with its first";
  first.number = 1;
  first.connection = 9;
  ASSERT_TRUE(stranger.send(first, as_text(preface())));
  EXPECT_EQ(answer(stranger).kind, datagram_kind::close) << "the token is of another connection";
  first.connection = 7;
  ASSERT_TRUE(stranger.send(first, as_text(preface())));
  ASSERT_TRUE(accept());
  EXPECT_TRUE(server_->await_open());
}

TEST_F(udp_link_test, a_goodbye_without_the_token_ends_nothing) {
  listen();
  raw_datagrams peer;
  ASSERT_TRUE(peer.connect(port()));
  ASSERT_TRUE(peer.send({.kind = datagram_kind::open, .connection = 7}));
  auto token = answer(peer).token;
  ASSERT_TRUE(
    peer.send({.kind = datagram_kind::data, .connection = 7, .token = token, .number = 1}, as_text(preface())));
  ASSERT_TRUE(accept() && server_->await_open());
  server_link_->grant(plenty);
  ASSERT_TRUE(peer.send({.kind = datagram_kind::close, .connection = 7, .token = token + 2}));
  ASSERT_TRUE(peer.send(
    {.kind = datagram_kind::data, .connection = 7, .token = token, .number = 2, .acked = 1}, encoded(hello{})));
  EXPECT_TRUE(server_->await_messages(1));
  ASSERT_TRUE(peer.send({.kind = datagram_kind::close, .connection = 7, .token = token}));
  EXPECT_EQ(server_->await_closed().code, errc::connection_lost);
}

TEST_F(udp_link_test, a_late_copy_of_the_first_datagram_begins_nothing) {
  listen();
  raw_datagrams peer;
  ASSERT_TRUE(peer.connect(port()));
  ASSERT_TRUE(peer.send({.kind = datagram_kind::open, .connection = 7}));
  datagram_head first{.kind = datagram_kind::data, .connection = 7, .token = answer(peer).token, .number = 1};
  ASSERT_TRUE(peer.send(first, as_text(preface())));
  ASSERT_TRUE(accept() && server_->await_open());
  ASSERT_TRUE(peer.send({.kind = datagram_kind::close, .connection = 7, .token = first.token}));
  server_link_->grant(plenty);
  EXPECT_EQ(server_->await_closed().code, errc::connection_lost);
  ASSERT_TRUE(peer.send(first, as_text(preface())));
  datagram_head said;
  while (said.kind != datagram_kind::close) { // behind what the server had said before
    auto bytes = peer.receive();
    auto found = decode_datagram(as_bytes(bytes));
    ASSERT_TRUE(found) << "not answered";
    said = found->head;
  }
}

TEST(datagram_tokens_test, hold_for_a_while_and_for_one_peer_and_connection_only) {
  using udp = boost::asio::ip::udp;
  auto at = [](const char* address, std::uint16_t port) {
    return udp::endpoint{boost::asio::ip::make_address(address), port};
  };
  datagram_tokens tokens, others;
  auto peer = at("127.0.0.1", 7);
  for (auto now : {datagram_clock::time_point{1h}, datagram_clock::time_point{1h} + 9s}) {
    auto made = tokens.make(peer, 1, now);
    EXPECT_TRUE(tokens.is_right(made, peer, 1, now));
    EXPECT_TRUE(tokens.is_right(made, peer, 1, now + datagram_tokens::step));
    EXPECT_FALSE(tokens.is_right(made, peer, 1, now + 2 * datagram_tokens::step));
    EXPECT_FALSE(tokens.is_right(made, peer, 2, now));
    EXPECT_FALSE(tokens.is_right(made, at("127.0.0.2", 7), 1, now));
    EXPECT_FALSE(tokens.is_right(made, at("127.0.0.1", 8), 1, now));
    EXPECT_FALSE(others.is_right(made, peer, 1, now));
  }
}

TEST_F(udp_link_test, ipv6_works) {
  auto made = network_.listen({"udp", "::1", 0}, link_options{}, accepted_.handler());
  if (!made)
    GTEST_SKIP() << "no IPv6 here: " << made.error().message;
  client_link_ = connect((*made)->local(), client_);
  ASSERT_TRUE(accept());
  ASSERT_TRUE(client_->await_open());
  EXPECT_TRUE(server_link_->peer().starts_with("[::1]:")) << server_link_->peer();
}

TEST_F(udp_link_test, a_foreign_preface_is_refused) {
  listen();
  raw_datagrams peer;
  ASSERT_TRUE(peer.connect(port()));
  ASSERT_TRUE(peer.send({.kind = datagram_kind::open, .connection = 7}));
  auto token = answer(peer).token;
  ASSERT_TRUE(
    peer.send({.kind = datagram_kind::data, .connection = 7, .token = token, .number = 1}, "complete garbage"));
  ASSERT_TRUE(accept());
  EXPECT_EQ(server_->await_closed().code, errc::foreign_protocol);
}

} // namespace
} // namespace sluice::test

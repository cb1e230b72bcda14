#include <map>

#include <netinet/tcp.h>
#include <openssl/ssl.h>

#include "tests/support/certificates.hpp"
#include "tests/unit/transport_support.hpp"
#include "transport/tls_contexts.hpp"

namespace sluice::test {
namespace {

/// Remembers what peers say; other threads wait for it.
class listening : public byte_handler {
public:
  void on_refused(const std::string&, error reason) override {
    note([&] { refusals_.push_back(std::move(reason)); });
  }
  void on_opened(peer_id peer, const std::string&) override {
    note([&] { said_[peer]; });
  }
  void on_bytes(peer_id peer, buffer bytes, std::size_t) override {
    note([&] { said_[peer] += bytes.text(); });
  }
  void on_closed(peer_id, std::optional<error>) override {
    note([&] { ++closed_; });
  }
  void on_finished() override {
    note([&] { is_finished_ = true; });
  }

  bool await_said(const std::string& text) {
    return await([&] { return std::ranges::any_of(said_, [&](auto& x) { return x.second == text; }); });
  }
  bool await_closed(std::size_t count) {
    return await([&] { return closed_ >= count; });
  }
  bool await_finished() {
    return await([&] { return is_finished_; });
  }
  error await_refused(std::size_t number = 1) {
    if (!await([&] { return refusals_.size() >= number; }))
      return {};
    std::lock_guard guard{mutex_};
    return refusals_[number - 1];
  }
  std::size_t refused() {
    std::lock_guard guard{mutex_};
    return refusals_.size();
  }

private:
  template <class Change>
  void note(Change change) {
    std::lock_guard guard{mutex_};
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
  std::map<peer_id, std::string> said_;
  std::vector<error> refusals_;
  std::size_t closed_ = 0;
  bool is_finished_ = false;
};

/// A sender that decides itself when what it has encrypted leaves.
class tls_sender {
public:
  explicit tls_sender(const tls_context& context) : session_{SSL_new(context.current())} {
    SSL_set_bio(session_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(session_);
  }
  ~tls_sender() { SSL_free(session_); }

  bool connect(std::uint16_t port) { return socket_.connect(port); }

  /// Everything but its last flight.
  bool shake_hands() {
    while (SSL_do_handshake(session_) != 1) {
      if (!flush())
        return false;
      auto came = socket_.receive(1);
      if (came.empty())
        return false;
      BIO_write(SSL_get_rbio(session_), came.data(), static_cast<int>(came.size()));
    }
    return true;
  }

  bool say(std::string_view text) {
    while (!text.empty()) {
      auto said = SSL_write(session_, text.data(), static_cast<int>(text.size()));
      if (said <= 0)
        return false;
      text.remove_prefix(static_cast<std::size_t>(said));
    }
    return true;
  }

  void say_goodbye() { SSL_shutdown(session_); }

  bool flush() {
    char* made = nullptr;
    auto size = BIO_get_mem_data(SSL_get_wbio(session_), &made);
    auto is_sent = size == 0 || socket_.send(std::string_view{made, static_cast<std::size_t>(size)});
    BIO_reset(SSL_get_wbio(session_));
    return is_sent;
  }

  void close() { socket_.close(); }

private:
  SSL* session_;
  raw_socket socket_;
};

int option(int socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(socket, level, name, &value, &size), 0);
  return value;
}

/// The socket of this process that `client` is connected to.
int other_end(int client) {
  sockaddr_in ours{}, theirs{};
  socklen_t size = sizeof ours;
  EXPECT_EQ(::getsockname(client, reinterpret_cast<sockaddr*>(&ours), &size), 0);
  for (int number = 0; number < 1024; ++number)
    if (::getpeername(number, reinterpret_cast<sockaddr*>(&theirs), &(size = sizeof theirs)) == 0 &&
        theirs.sin_family == AF_INET && theirs.sin_port == ours.sin_port)
      return number;
  return -1;
}

class tls_listener_test : public testing::Test {
protected:
  tls_listener_test() { authority_.issue("server"); }

  void listen(byte_options options = {}, tls_files files = {}) {
    files.cert = folder_.file("server.crt"), files.key = folder_.file("server.key");
    options.tls = network_.tls().open(files, tls_side::server).value();
    auto made = network_.listen({"syslog+tls", "127.0.0.1", 0}, options, handler_);
    ASSERT_TRUE(made) << made.error().message;
    listener_ = std::move(*made);
    listener_->grant(plenty);
  }

  std::uint16_t port() const { return listener_->local().port; }

  temporary_folder folder_;
  test_authority authority_{folder_, "authority"};
  socket_network network_;
  std::shared_ptr<listening> handler_ = std::make_shared<listening>();
  std::unique_ptr<intake_listener> listener_;
  std::shared_ptr<const tls_context> client_ = tls_context::open({.ca = authority_.file()}, tls_side::client).value();
};

TEST_F(tls_listener_test, hears_what_came_together_with_the_end_of_the_handshake) {
  listen();
  tls_sender sender{*client_};
  ASSERT_TRUE(sender.connect(port()) && sender.shake_hands() && sender.say("at once\n") && sender.flush());
  EXPECT_TRUE(handler_->await_said("at once\n"));
}

TEST_F(tls_listener_test, hears_what_was_decrypted_and_not_yet_read) {
  listen({.read_bytes = 100});
  tls_sender sender{*client_};
  std::string text(50'000, 'x');
  ASSERT_TRUE(sender.connect(port()) && sender.shake_hands() && sender.say(text) && sender.flush());
  EXPECT_TRUE(handler_->await_said(text));
}

TEST_F(tls_listener_test, waits_for_the_rest_of_a_record) {
  listen();
  tls_sender sender{*client_};
  ASSERT_TRUE(sender.connect(port()) && sender.shake_hands() && sender.flush() && sender.say("one") && sender.flush());
  ASSERT_TRUE(handler_->await_said("one"));
  ASSERT_TRUE(sender.say("two") && sender.flush());
  EXPECT_TRUE(handler_->await_said("onetwo"));
  sender.close();
  EXPECT_TRUE(handler_->await_closed(1));
}

TEST_F(tls_listener_test, hears_the_goodbye_that_came_together_with_the_last_words) {
  listen();
  tls_sender sender{*client_};
  ASSERT_TRUE(sender.connect(port()) && sender.shake_hands() && sender.say("farewell"));
  sender.say_goodbye();
  ASSERT_TRUE(sender.flush());
  EXPECT_TRUE(handler_->await_said("farewell"));
  EXPECT_TRUE(handler_->await_closed(1));
}

TEST_F(tls_listener_test, reads_what_has_come_before_it_finishes) {
  listen({.read_bytes = 1000});
  tls_sender sender{*client_};
  std::string text(50'000, 'x');
  ASSERT_TRUE(
    sender.connect(port()) && sender.shake_hands() && sender.flush() && sender.say("first") && sender.flush());
  ASSERT_TRUE(handler_->await_said("first"));
  ASSERT_TRUE(sender.say(text) && sender.flush());
  listener_->finish();
  EXPECT_TRUE(handler_->await_said("first" + text));
  EXPECT_TRUE(handler_->await_finished());
}

TEST_F(tls_listener_test, a_slow_handshake_is_given_up_and_delays_nobody) {
  listen({.handshake_timeout = 300ms});
  raw_socket slow;
  ASSERT_TRUE(slow.connect(port()) && slow.send(std::string_view{"\x16\x03\x01", 3}));
  tls_sender sender{*client_};
  ASSERT_TRUE(sender.connect(port()) && sender.shake_hands() && sender.say("quick") && sender.flush());
  EXPECT_TRUE(handler_->await_said("quick"));
  auto reason = handler_->await_refused();
  EXPECT_EQ(reason.code, errc::timed_out);
  EXPECT_EQ(reason.message, "did not agree on TLS within 300 ms");
  EXPECT_EQ(slow.receive_all(), "");
}

TEST_F(tls_listener_test, bounds_how_many_agree_on_tls_at_a_time) {
  listen({.max_handshakes = 2});
  raw_socket first, second, third;
  ASSERT_TRUE(first.connect(port()) && second.connect(port()) && third.connect(port()));
  EXPECT_EQ(handler_->await_refused().code, errc::overloaded);
  EXPECT_EQ(third.receive_all(), "");
  EXPECT_EQ(handler_->refused(), 1u);
}

TEST_F(tls_listener_test, bounds_peers_and_tells_of_those_that_are_too_many) {
  listen({.max_peers = 1});
  raw_socket first, second;
  ASSERT_TRUE(first.connect(port()) && second.connect(port()));
  auto reason = handler_->await_refused();
  EXPECT_EQ(reason.code, errc::overloaded);
  EXPECT_EQ(reason.message, "there are 1 connections already");
  EXPECT_EQ(second.receive_all(), "");
}

// A peer whose machine was gone held its place for two hours.
TEST_F(tls_listener_test, notices_within_half_a_minute_that_a_peer_is_gone) {
  listen({.max_peers = 1});
  raw_socket first, second;
  ASSERT_TRUE(first.connect(port()) && second.connect(port()));
  ASSERT_EQ(handler_->await_refused().code, errc::overloaded) << "the first one was not accepted before";
  auto accepted = other_end(first.number());
  EXPECT_EQ(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
  auto idle = option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), interval = option(accepted, IPPROTO_TCP, TCP_KEEPINTVL);
  EXPECT_LE(idle + interval * option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 30);
}

TEST_F(tls_listener_test, says_why_a_peer_is_refused) {
  listen({}, {.client_ca = authority_.file()});
  tls_sender nobody{*client_};
  ASSERT_TRUE(nobody.connect(port()) && nobody.shake_hands() && nobody.say("let me in") && nobody.flush());
  auto reason = handler_->await_refused();
  EXPECT_EQ(reason.code, errc::untrusted);
  EXPECT_EQ(reason.message, "the peer shows no certificate, which it must here");
  raw_socket plain;
  ASSERT_TRUE(plain.connect(port()) && plain.send("<13>Oct 11 22:14:15 host app: hello\n"));
  reason = handler_->await_refused(2);
  EXPECT_EQ(reason.code, errc::foreign_protocol);
  EXPECT_EQ(reason.message, "the peer does not speak TLS");
}

} // namespace
} // namespace sluice::test

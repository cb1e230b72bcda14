#include <map>

#include <openssl/ssl.h>

#include "tests/support/certificates.hpp"
#include "tests/unit/transport_support.hpp"
#include "transport/tls_contexts.hpp"

namespace sluice::test {
namespace {

class tls_network_test : public tcp_fixture {
protected:
  tls_network_test() {
    authority_.issue("server");
    authority_.issue("client");
  }

  std::string file(const std::string& name) const { return folder_.file(name); }
  tls_files server_files() const { return {.cert = file("server.crt"), .key = file("server.key")}; }
  tls_files client_files() const { return {.ca = authority_.file()}; }

  link_options options(const tls_files& files, tls_side side) {
    auto opened = network_.tls().open(files, side);
    EXPECT_TRUE(opened) << opened.error().message;
    return {.tls = opened ? *opened : nullptr};
  }

  void listen(const tls_files& files) { listen(options(files, tls_side::server)); }
  void listen(const link_options& options) {
    auto made = network_.listen({"tls", "127.0.0.1", 0}, options, accepted_.handler());
    ASSERT_TRUE(made) << made.error().message;
    listener_ = std::move(*made);
  }

  /// Both ends of a connection, open or not.
  void meet(const tls_files& files, const std::string& host = "localhost") {
    client_ = std::make_shared<recorder>();
    server_ = std::make_shared<recorder>();
    client_link_ = connect({"tls", host, port()}, client_, options(files, tls_side::client));
    ASSERT_TRUE(accept());
  }

  void expect_closed(recorder& end, errc code, std::string_view reason) {
    auto why = end.await_closed();
    EXPECT_EQ(why.code, code) << why.message;
    EXPECT_NE(why.message.find(reason), std::string::npos) << why.message;
  }

  temporary_folder folder_;
  test_authority authority_{folder_, "authority"};
};

TEST_F(tls_network_test, messages_arrive_intact_both_ways) {
  listen(server_files());
  for (std::string host : {"localhost", "127.0.0.1"}) {
    meet(client_files(), host);
    ASSERT_TRUE(client_->await_open()) << client_->await_closed().message;
    client_link_->grant(plenty);
    server_link_->grant(plenty);
    auto sent = make_frame(5, 3'000'000);
    auto queued = client_link_->send(hello{}) + client_link_->send(sent);
    for (std::uint64_t i = 1; i <= 1'000; ++i)
      server_link_->send(make_ack(i));
    ASSERT_TRUE(server_->await_messages(2));
    EXPECT_EQ(as_text(std::get<frame>(server_->messages()[1]).bytes()), as_text(sent.bytes()));
    EXPECT_TRUE(client_->await_sent(queued));
    ASSERT_TRUE(client_->await_messages(1'000));
    EXPECT_EQ(std::get<ack>(client_->messages()[999]), make_ack(1'000));
  }
}

TEST_F(tls_network_test, a_destroyed_link_flushes_what_was_sent) {
  listen(server_files());
  meet(client_files());
  ASSERT_TRUE(client_->await_open());
  server_link_->grant(plenty);
  for (std::uint64_t i = 1; i <= 50; ++i)
    client_link_->send(make_frame(i, 100'000));
  client_link_.reset();
  EXPECT_TRUE(server_->await_messages(50));
  expect_closed(*server_, errc::connection_lost, "the peer closed the connection");
}

TEST_F(tls_network_test, without_credit_nothing_is_read_and_the_sender_stops) {
  listen(server_files());
  meet(client_files());
  ASSERT_TRUE(client_->await_open());
  client_link_->grant(plenty);
  constexpr std::size_t count = 32; // MiB, more than the kernel holds for one connection
  for (std::uint64_t i = 1; i <= count; ++i)
    client_link_->send(make_frame(i, 1 << 20));
  server_link_->grant(1);
  ASSERT_TRUE(server_->await_messages(1));
  server_link_->send(make_ack(1));
  ASSERT_TRUE(client_->await_messages(1));
  EXPECT_EQ(server_->messages().size(), 1u);
  server_link_->grant(plenty);
  EXPECT_TRUE(server_->await_messages(count));
}

// -- who may not come in ----------------------------------------------------------------------------------------------

TEST_F(tls_network_test, a_server_whose_certificate_has_expired_is_refused) {
  authority_.issue("old", {.begins = -20, .ends = 1});
  auto context = tls_context::open({.cert = file("old.crt"), .key = file("old.key")}, tls_side::server).value();
  auto client = network_.tls().open(client_files(), tls_side::client).value();
  auto* later = X509_VERIFY_PARAM_new(); // the client lives in three days from now
  X509_VERIFY_PARAM_set_time(later, std::time(nullptr) + 3 * 24 * 3600);
  SSL_CTX_set1_param(client->current(), later);
  X509_VERIFY_PARAM_free(later);
  auto made = network_.listen({"tls", "127.0.0.1", 0}, {.tls = context}, accepted_.handler());
  ASSERT_TRUE(made);
  client_link_ = connect({"tls", "localhost", (*made)->local().port}, client_, {.tls = client});
  ASSERT_TRUE(accept());
  expect_closed(*client_, errc::untrusted, "the peer's certificate is refused: certificate has expired");
  expect_closed(*server_, errc::untrusted, "the peer has refused us: certificate expired");
}

TEST_F(tls_network_test, a_server_of_another_name_is_refused) {
  authority_.issue("server", {.hosts = "DNS:other.example,IP:192.0.2.1"});
  listen(server_files());
  meet(client_files());
  expect_closed(*client_, errc::untrusted, "hostname mismatch; it is not for localhost");
  EXPECT_EQ(server_->await_closed().code, errc::untrusted);
  meet(client_files(), "127.0.0.1");
  expect_closed(*client_, errc::untrusted, "IP address mismatch");
  auto lenient = client_files();
  lenient.verify_hostname = false;
  meet(lenient);
  EXPECT_TRUE(client_->await_open());
}

TEST_F(tls_network_test, a_server_that_a_stranger_vouches_for_is_refused_unless_insecure) {
  test_authority stranger{folder_, "stranger"};
  stranger.issue("server");
  listen(server_files());
  meet(client_files());
  expect_closed(*client_, errc::untrusted, "the peer's certificate is refused: unable to get local issuer certificate");
  expect_closed(*server_, errc::untrusted, "the peer has refused us: unknown ca");
  meet({.insecure = true});
  EXPECT_TRUE(client_->await_open());
}

TEST_F(tls_network_test, a_client_without_certificate_is_refused_where_one_is_demanded) {
  auto files = server_files();
  files.client_ca = authority_.file();
  listen(files);
  meet(client_files());
  expect_closed(*server_, errc::untrusted, "the peer shows no certificate, which it must here");
  expect_closed(*client_, errc::untrusted, "the peer demands a certificate of us");
  auto known = client_files();
  known.cert = file("client.crt"), known.key = file("client.key");
  meet(known);
  EXPECT_TRUE(client_->await_open());
}

TEST_F(tls_network_test, a_client_that_a_stranger_vouches_for_is_refused) {
  test_authority stranger{folder_, "stranger"};
  stranger.issue("foreign");
  auto files = server_files();
  files.client_ca = authority_.file();
  listen(files);
  auto known = client_files();
  known.cert = file("foreign.crt"), known.key = file("foreign.key");
  meet(known);
  expect_closed(*server_, errc::untrusted, "the peer's certificate is refused: unable to get local issuer certificate");
  expect_closed(*client_, errc::untrusted, "the peer has refused us: unknown ca");
}

TEST_F(tls_network_test, tls_1_1_is_refused) {
  listen(server_files());
  auto client = network_.tls().open(client_files(), tls_side::client).value();
  SSL_CTX_set_security_level(client->current(), 0);
  SSL_CTX_set_min_proto_version(client->current(), TLS1_1_VERSION);
  SSL_CTX_set_max_proto_version(client->current(), TLS1_1_VERSION);
  client_link_ = connect({"tls", "localhost", port()}, client_, {.tls = client});
  ASSERT_TRUE(accept());
  expect_closed(*server_, errc::unsupported_version, "accept no version of TLS in common");
  expect_closed(*client_, errc::unsupported_version, "accept no version of TLS in common");
}

TEST_F(tls_network_test, tls_1_2_is_enough_unless_more_is_asked_for) {
  auto client = network_.tls().open(client_files(), tls_side::client).value();
  SSL_CTX_set_max_proto_version(client->current(), TLS1_2_VERSION);
  auto files = server_files();
  for (auto least : {tls_version::v1_2, tls_version::v1_3}) {
    files.min_version = least;
    listen(files);
    client_ = std::make_shared<recorder>();
    server_ = std::make_shared<recorder>();
    client_link_ = connect({"tls", "localhost", port()}, client_, {.tls = client});
    ASSERT_TRUE(accept());
    EXPECT_EQ(client_->await_open(), least == tls_version::v1_2);
  }
}

// -- what is no TLS ---------------------------------------------------------------------------------------------------

TEST_F(tls_network_test, a_client_that_speaks_no_tls_is_refused) {
  listen(server_files());
  client_link_ = connect({"tcp", "127.0.0.1", port()}, client_);
  ASSERT_TRUE(accept());
  expect_closed(*server_, errc::foreign_protocol, "the peer does not speak TLS");
  EXPECT_NE(client_->await_closed().code, errc::none);
}

TEST_F(tls_network_test, a_server_that_speaks_no_tls_is_told_apart) {
  tcp_fixture::listen();
  meet(client_files());
  EXPECT_EQ(server_->await_closed().code, errc::foreign_protocol);
  expect_closed(*client_, errc::connection_lost, "the peer closed the connection instead of agreeing on TLS");
}

TEST_F(tls_network_test, a_silent_client_is_dropped_and_others_are_served) {
  auto with_tls = options(server_files(), tls_side::server);
  with_tls.handshake_timeout = 200ms;
  listen(with_tls);
  raw_socket silent;
  ASSERT_TRUE(silent.connect(port()) && accept());
  ASSERT_TRUE(silent.send(std::string_view{"\x16\x03\x01", 3}));
  auto silent_link = std::move(server_link_);
  auto silent_handler = server_;
  meet(client_files());
  EXPECT_TRUE(client_->await_open());
  expect_closed(*silent_handler, errc::timed_out, "the peer did not agree on TLS within 200 ms");
  EXPECT_FALSE(server_->is_closed());
}

TEST_F(tls_network_test, tls_needs_a_context) {
  auto made = network_.listen({"tls", "127.0.0.1", 0}, {}, accepted_.handler());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::invalid_argument);
  listen(server_files());
  client_link_ = connect({"tls", "127.0.0.1", port()}, client_);
  EXPECT_EQ(client_->await_closed().code, errc::invalid_argument);
}

// -- new certificates -------------------------------------------------------------------------------------------------

TEST_F(tls_network_test, new_connections_use_the_new_certificate_and_old_ones_go_on) {
  listen(server_files());
  meet(client_files());
  ASSERT_TRUE(client_->await_open());
  auto old_client = client_, old_server = server_;
  auto old_client_link = std::move(client_link_), old_server_link = std::move(server_link_);
  old_server_link->grant(plenty);

  test_authority stranger{folder_, "stranger"};
  stranger.issue("server");
  network_.tls().refresh(); // before any later connection, for they share a thread
  meet(client_files());
  EXPECT_EQ(client_->await_closed().code, errc::untrusted);
  meet({.ca = stranger.file()});
  EXPECT_TRUE(client_->await_open());
  old_client_link->send(hello{});
  EXPECT_TRUE(old_server->await_messages(1));
  EXPECT_FALSE(old_client->is_closed());
}

TEST_F(tls_network_test, says_how_long_certificates_last) {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::chrono::seconds> left;
  network_.tls().report_to([&](const std::string& file, std::chrono::seconds seconds) {
    std::lock_guard guard{mutex};
    left[file] = seconds;
    changed.notify_all();
  });
  listen(server_files());
  std::unique_lock guard{mutex};
  EXPECT_TRUE(changed.wait_for(guard, patience, [&] { return left.contains(file("server.crt")); }));
  EXPECT_NEAR(static_cast<double>(left[file("server.crt")].count()), 30 * 24 * 3600, 60);
  guard.unlock();
  network_.tls().report_to({});
}

} // namespace
} // namespace sluice::test

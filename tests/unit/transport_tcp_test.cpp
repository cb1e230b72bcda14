#include "tests/unit/transport_support.hpp"

namespace sluice::test {
namespace {

using tcp_network_test = tcp_fixture;

// -- messages and credit ----------------------------------------------------------------------------------------------

TEST_F(tcp_network_test, messages_arrive_intact_both_ways) {
  open();
  client_link_->grant(plenty);
  server_link_->grant(plenty);
  hello greeting{{id128{1}, id128{2}}, {3, 4, 5}};
  auto sent = make_frame(5, 300'000);
  auto queued = client_link_->send(greeting);
  queued += client_link_->send(sent);
  ASSERT_TRUE(server_->await_messages(2));
  auto got = server_->messages();
  EXPECT_EQ(std::get<hello>(got[0]), greeting);
  EXPECT_EQ(as_text(std::get<frame>(got[1]).bytes()), as_text(sent.bytes()));
  EXPECT_EQ(server_->credit(), min_message_credit + encoded(sent).size());
  EXPECT_TRUE(client_->await_sent(queued));
  EXPECT_EQ(queued, encoded(greeting).size() + encoded(sent).size());
  EXPECT_EQ(client_->sent(), queued);
  server_link_->send(make_ack(5));
  ASSERT_TRUE(client_->await_messages(1));
  EXPECT_EQ(std::get<ack>(client_->messages()[0]), make_ack(5));
  EXPECT_EQ(client_link_->peer(), "127.0.0.1:" + std::to_string(port()));
  EXPECT_TRUE(server_link_->peer().starts_with("127.0.0.1:")) << server_link_->peer();
}

TEST_F(tcp_network_test, many_messages_keep_their_order) {
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

TEST_F(tcp_network_test, what_is_sent_before_the_link_is_open_waits) {
  listen();
  client_link_ = network_.connect({"tcp", "localhost", port()}, {});
  client_link_->send(make_frame(1, 10));
  client_link_->start(client_);
  ASSERT_TRUE(accept());
  server_link_->grant(1);
  EXPECT_TRUE(server_->await_messages(1));
}

TEST_F(tcp_network_test, without_credit_nothing_is_read_and_the_sender_stops) {
  open();
  client_link_->grant(plenty);
  constexpr std::size_t count = 64; // MiB, more than the kernel holds for one connection
  std::size_t total = 0;
  for (std::uint64_t i = 1; i <= count; ++i) {
    auto next = make_frame(i, 1 << 20);
    total += encoded(next).size();
    client_link_->send(std::move(next));
  }
  server_link_->grant(1); // overdrawn by the first message
  ASSERT_TRUE(server_->await_messages(1));
  for (std::uint64_t i = 1; i <= 20; ++i) { // twenty round trips in which more could come
    server_link_->send(make_ack(i));
    ASSERT_TRUE(client_->await_messages(i));
  }
  EXPECT_EQ(server_->messages().size(), 1u);
  EXPECT_LT(client_->sent(), total);
  server_link_->grant(server_->credit()); // pays the debt and one byte more
  EXPECT_TRUE(server_->await_messages(2));
  server_link_->grant(plenty);
  EXPECT_TRUE(server_->await_messages(count));
  EXPECT_TRUE(client_->await_sent(total));
}

TEST_F(tcp_network_test, credit_lets_exactly_so_much_through) {
  open();
  client_link_->grant(plenty);
  auto size = encoded(make_frame(1, 10'000)).size();
  for (std::uint64_t i = 1; i <= 10; ++i)
    client_link_->send(make_frame(i, 10'000));
  server_link_->grant(3 * size);
  ASSERT_TRUE(server_->await_messages(3));
  server_link_->send(make_ack(3));
  ASSERT_TRUE(client_->await_messages(1));
  EXPECT_EQ(server_->messages().size(), 3u);
}

TEST_F(tcp_network_test, small_messages_cost_more_credit_than_their_bytes) {
  open();
  client_link_->grant(plenty);
  for (std::uint64_t i = 1; i <= 100; ++i)
    client_link_->send(hello{});
  server_link_->grant(3 * min_message_credit);
  ASSERT_TRUE(server_->await_messages(3));
  server_link_->send(make_ack(3));
  ASSERT_TRUE(client_->await_messages(1));
  EXPECT_EQ(server_->messages().size(), 3u);
}

// -- peers that break the protocol ------------------------------------------------------------------------------------

TEST_F(tcp_network_test, foreign_protocols_are_refused_without_a_word) {
  listen();
  const std::string_view starts[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9},
    "complete garbage", "<13>1 2026-01-01T00:00:00Z host app - - - hi\n", {"\0\0\0\0\0\0\0\0", 8}};
  for (auto start : starts) {
    server_ = std::make_shared<recorder>();
    raw_socket client;
    ASSERT_TRUE(client.connect(port()) && accept() && client.send(start));
    auto reason = server_->await_closed();
    EXPECT_EQ(reason.code, errc::foreign_protocol) << reason.message;
    EXPECT_NE(reason.message.find(server_link_->peer()), std::string::npos) << reason.message;
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_FALSE(server_->await_open());
  }
}

TEST_F(tcp_network_test, a_newer_version_is_refused) {
  listen();
  raw_socket client;
  ASSERT_TRUE(client.connect(port()) && accept() && client.send(std::string_view{"SLUICE\x09\x00", 8}));
  EXPECT_EQ(server_->await_closed().code, errc::unsupported_version);
}

TEST_F(tcp_network_test, a_client_that_hangs_up_early_is_reported) {
  listen();
  raw_socket client;
  ASSERT_TRUE(client.connect(port()) && accept());
  client.close();
  EXPECT_EQ(server_->await_closed().code, errc::connection_lost);
}

TEST_F(tcp_network_test, a_foreign_start_shorter_than_a_preface_is_recognised) {
  listen();
  raw_socket client;
  ASSERT_TRUE(client.connect(port()) && accept() && client.send("QUIT\n"));
  client.close();
  EXPECT_EQ(server_->await_closed().code, errc::foreign_protocol);
}

TEST_F(tcp_network_test, a_silent_client_is_dropped_and_others_are_served) {
  listen({.handshake_timeout = 500ms});
  raw_socket silent;
  ASSERT_TRUE(silent.connect(port()) && accept());
  auto silent_link = std::move(server_link_);
  auto silent_handler = std::exchange(server_, std::make_shared<recorder>());
  raw_socket good;
  ASSERT_TRUE(open_raw(good));
  auto reason = silent_handler->await_closed();
  EXPECT_EQ(reason.code, errc::timed_out);
  EXPECT_NE(reason.message.find("within 500 ms"), std::string::npos) << reason.message;
  EXPECT_EQ(silent.receive_all(), "");
  server_link_->grant(plenty);
  ASSERT_TRUE(good.send(encoded(hello{})));
  EXPECT_TRUE(server_->await_messages(1));
}

TEST_F(tcp_network_test, a_message_cut_by_the_end_is_reported) {
  listen();
  raw_socket client;
  ASSERT_TRUE(open_raw(client));
  server_link_->grant(plenty);
  auto bytes = encoded(make_frame(1, 1'000));
  ASSERT_TRUE(client.send(bytes.substr(0, bytes.size() / 2)));
  client.close();
  auto reason = server_->await_closed();
  EXPECT_EQ(reason.code, errc::truncated);
  EXPECT_NE(reason.message.find("within a message"), std::string::npos) << reason.message;
  EXPECT_TRUE(server_->messages().empty());
}

TEST_F(tcp_network_test, bytes_in_pieces_make_a_message) {
  listen();
  raw_socket client;
  ASSERT_TRUE(open_raw(client));
  server_link_->grant(plenty);
  for (auto byte : encoded(make_frame(1, 100)))
    ASSERT_TRUE(client.send(std::string_view{&byte, 1}));
  EXPECT_TRUE(server_->await_messages(1));
}

/// What a client gets that sends `bytes` behind a message that is correct.
class broken_message : public tcp_network_test {
protected:
  void expect_refusal(std::string_view bytes, errc code) {
    server_ = std::make_shared<recorder>();
    raw_socket client;
    ASSERT_TRUE(open_raw(client));
    server_link_->grant(plenty);
    ASSERT_TRUE(client.send(encoded(hello{}) + std::string{bytes}));
    auto reason = server_->await_closed();
    EXPECT_EQ(reason.code, code) << reason.message;
    EXPECT_NE(reason.message.find(server_link_->peer()), std::string::npos) << reason.message;
    EXPECT_EQ(server_->messages().size(), 1u);
    auto answer = client.receive(protocol_limits::message_header_bytes + 4);
    ASSERT_EQ(answer.size(), protocol_limits::message_header_bytes + 4);
    EXPECT_EQ(answer[0], 5) << "a notice";
    EXPECT_EQ(static_cast<errc>(answer[12]), code);
    EXPECT_EQ(answer[14], 1) << "that closes";
  }
};

TEST_F(broken_message, is_refused_with_a_closing_notice) {
  listen();
  auto flipped = [](std::string bytes, std::size_t at) {
    bytes[at] ^= 1;
    return bytes;
  };
  auto framed = encoded(make_frame(1, 1'000));
  expect_refusal(flipped(encoded(hello{}), 30), errc::bad_checksum);
  expect_refusal(flipped(framed, framed.size() - 1), errc::bad_checksum);
  expect_refusal(std::string{"\x03\0\0\0\xff\xff\xff\xff\0\0\0\0", 12}, errc::too_large);
  expect_refusal(std::string{"\x7f\0\0\0\0\0\0\0\0\0\0\0", 12}, errc::protocol_violation);
  expect_refusal(encoded(make_ack(1)), errc::protocol_violation);
}

TEST_F(tcp_network_test, a_refused_peer_that_keeps_sending_still_reads_why) {
  open();
  client_link_->grant(plenty);
  server_link_->grant(1);
  for (std::uint64_t i = 1; i <= 32; ++i)
    client_link_->send(make_frame(i, 1 << 20));
  ASSERT_TRUE(server_->await_messages(1));
  server_link_->send(notice{{errc::sequence_gap, "frames are missing"}, true});
  server_link_.reset();
  ASSERT_TRUE(client_->await_messages(1));
  EXPECT_EQ(std::get<notice>(client_->messages()[0]).reason.code, errc::sequence_gap);
  EXPECT_EQ(client_->await_closed().code, errc::connection_lost);
}

TEST_F(tcp_network_test, a_message_that_trickles_is_given_up) {
  listen({.heartbeat_interval = 5ms, .message_timeout = 200ms});
  raw_socket client;
  ASSERT_TRUE(open_raw(client));
  server_link_->grant(plenty);
  auto bytes = encoded(make_frame(1, 1 << 20));
  auto beat = encoded(heartbeat{});
  std::size_t at = 0;
  do // one byte per heartbeat, so that it is never silent
    client.send(std::string_view{bytes}.substr(at, 1));
  while (++at < 1'000 && client.receive(beat.size()) == beat);
  auto reason = server_->await_closed();
  EXPECT_EQ(reason.code, errc::timed_out);
  EXPECT_NE(reason.message.find(server_link_->peer()), std::string::npos) << reason.message;
  EXPECT_NE(reason.message.find("not complete within 200 ms"), std::string::npos) << reason.message;
}

TEST_F(tcp_network_test, large_messages_share_one_room_and_give_it_back) {
  constexpr std::size_t mib = 1 << 20;
  socket_network small{10 * mib};
  auto made = small.listen({"tcp", "127.0.0.1", 0}, {}, accepted_.handler());
  ASSERT_TRUE(made);
  listener_ = std::move(*made);
  client_link_ = connect(client_);
  ASSERT_TRUE(accept());
  server_link_->grant(1);
  client_link_->send(make_frame(1, 9 * mib)); // overdraws the credit until it is granted back
  ASSERT_TRUE(server_->await_messages(1));

  auto second_client = std::make_shared<recorder>(), second_server = std::make_shared<recorder>();
  auto second_link = connect(second_client);
  second_link->grant(plenty);
  auto second_accepted = accepted_.take();
  second_accepted->start(second_server);
  second_accepted->grant(plenty);
  second_link->send(make_frame(1, mib)); // not large
  ASSERT_TRUE(second_server->await_messages(1));
  second_link->send(make_frame(2, 9 * mib));
  EXPECT_EQ(second_server->await_closed().code, errc::overloaded);
  ASSERT_TRUE(second_client->await_messages(1));
  EXPECT_EQ(std::get<notice>(second_client->messages()[0]).reason.code, errc::overloaded);
  second_accepted.reset();

  for (std::uint64_t i = 2; i <= 4; ++i) {
    server_link_->grant(9 * mib + 1024);
    client_link_->send(make_frame(i, 9 * mib));
    ASSERT_TRUE(server_->await_messages(i));
  }
}

// -- connecting -------------------------------------------------------------------------------------------------------

TEST_F(tcp_network_test, a_closed_port_is_unreachable) {
  listen();
  endpoint closed{"tcp", "127.0.0.1", port()};
  listener_.reset();
  client_link_ = connect(closed, client_);
  auto reason = client_->await_closed();
  EXPECT_EQ(reason.code, errc::unreachable);
  EXPECT_EQ(reason.message, to_string(closed) + ": connection refused");
}

TEST_F(tcp_network_test, an_unknown_name_is_unreachable) {
  client_link_ = connect({"tcp", "no-such-host.invalid", 1}, client_);
  auto reason = client_->await_closed();
  EXPECT_EQ(reason.code, errc::unreachable);
  EXPECT_TRUE(reason.message.starts_with("tcp://no-such-host.invalid:1: ")) << reason.message;
}

TEST_F(tcp_network_test, connecting_has_a_deadline) {
  raw_socket full;
  auto to = full.listen(0);
  raw_socket queued;
  ASSERT_TRUE(queued.connect(to)); // fills the backlog, so that the kernel answers no further one
  client_link_ = connect({"tcp", "127.0.0.1", to}, client_, {.connect_timeout = 50ms});
  auto reason = client_->await_closed();
  EXPECT_EQ(reason.code, errc::unreachable);
  EXPECT_NE(reason.message.find("no connection within 50 ms"), std::string::npos) << reason.message;
}

TEST_F(tcp_network_test, a_server_that_speaks_http_is_foreign) {
  raw_socket server;
  client_link_ = connect({"tcp", "127.0.0.1", server.listen()}, client_);
  raw_socket peer{server.accept()};
  ASSERT_TRUE(peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"));
  EXPECT_EQ(client_->await_closed().code, errc::foreign_protocol);
}

TEST_F(tcp_network_test, a_silent_server_is_given_up) {
  raw_socket server;
  client_link_ = connect({"tcp", "127.0.0.1", server.listen()}, client_, {.handshake_timeout = 50ms});
  EXPECT_EQ(client_->await_closed().code, errc::timed_out);
}

TEST_F(tcp_network_test, unknown_schemes_are_refused) {
  client_link_ = connect({"gopher", "127.0.0.1", 1}, client_);
  EXPECT_EQ(client_->await_closed().code, errc::invalid_argument);
  auto made = network_.listen({"gopher", "127.0.0.1", 0}, {}, accepted_.handler());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::invalid_argument);
}

TEST_F(tcp_network_test, a_port_in_use_is_reported_and_free_once_the_listener_is_gone) {
  listen();
  auto where = listener_->local();
  auto second = network_.listen(where, {}, accepted_.handler());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::address_in_use);
  EXPECT_TRUE(second.error().message.starts_with(to_string(where))) << second.error().message;
  listener_.reset();
  EXPECT_TRUE(network_.listen(where, {}, accepted_.handler()));
}

TEST_F(tcp_network_test, an_address_of_another_machine_cannot_be_listened_on) {
  auto made = network_.listen({"tcp", "192.0.2.1", 0}, {}, accepted_.handler());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::invalid_argument);
}

TEST_F(tcp_network_test, ipv6_works) {
  auto made = network_.listen({"tcp", "::1", 0}, {}, accepted_.handler());
  if (!made)
    GTEST_SKIP() << "no IPv6 here: " << made.error().message;
  client_link_ = connect((*made)->local(), client_);
  ASSERT_TRUE(accept());
  ASSERT_TRUE(client_->await_open());
  EXPECT_TRUE(server_link_->peer().starts_with("[::1]:")) << server_link_->peer();
}

// -- liveness ---------------------------------------------------------------------------------------------------------

TEST_F(tcp_network_test, an_idle_link_sends_heartbeats) {
  listen({.heartbeat_interval = 5ms});
  raw_socket client;
  ASSERT_TRUE(open_raw(client));
  auto beat = encoded(heartbeat{});
  EXPECT_EQ(client.receive(3 * beat.size()), beat + beat + beat);
  EXPECT_EQ(server_->sent(), 0u);
}

TEST_F(tcp_network_test, a_peer_that_falls_silent_is_dropped) {
  listen({.silence_timeout = 50ms});
  raw_socket client;
  ASSERT_TRUE(open_raw(client));
  server_link_->grant(plenty);
  auto reason = server_->await_closed();
  EXPECT_EQ(reason.code, errc::timed_out);
  EXPECT_NE(reason.message.find("silent for 50 ms"), std::string::npos) << reason.message;
}

TEST_F(tcp_network_test, who_has_no_credit_does_not_judge_silence) {
  listen({.heartbeat_interval = 10ms, .silence_timeout = 20ms});
  raw_socket client;
  ASSERT_TRUE(open_raw(client));
  client.receive(10 * encoded(heartbeat{}).size()); // as long as ten beats
  EXPECT_FALSE(server_->is_closed());
  ASSERT_TRUE(client.send(encoded(hello{})));
  server_link_->grant(1);
  EXPECT_TRUE(server_->await_messages(1));
}

TEST_F(tcp_network_test, heartbeats_keep_a_link_open_and_cost_no_credit) {
  open({.heartbeat_interval = 10ms, .silence_timeout = 1'000ms});
  server_link_->grant(1);
  client_link_->grant(plenty);
  raw_socket witness; // measures the time by heartbeats of its own
  auto witnessed = std::make_shared<recorder>();
  auto first_server_link = std::exchange(server_link_, nullptr);
  auto first_server = std::exchange(server_, witnessed);
  ASSERT_TRUE(open_raw(witness));
  witness.receive(120 * encoded(heartbeat{}).size()); // longer than the silence that is allowed
  EXPECT_FALSE(first_server->is_closed());
  EXPECT_FALSE(client_->is_closed());
  client_link_->send(hello{});
  EXPECT_TRUE(first_server->await_messages(1));
}

} // namespace
} // namespace sluice::test

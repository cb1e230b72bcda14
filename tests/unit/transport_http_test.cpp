#include <array>
#include <deque>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "tests/unit/transport_support.hpp"

namespace sluice::test {

namespace {

/// Keeps requests until a test answers them. Answers `GET` at once, refuses `/refused`, and fails at `/failing`.
class http_recorder : public http_handler {
public:
  std::optional<http_answer> on_head(const http_head& head) override {
    if (head.path == "/failing")
      throw std::runtime_error{"no memory"};
    if (head.path == "/refused")
      return http_text(403, "not here");
    return head.method == "GET" || head.method == "HEAD" ? std::optional{http_text(200, "a question")} : std::nullopt;
  }
  void on_request(request_id id, http_request request) override {
    note([&] { requests_.emplace_back(id, std::move(request)); });
  }
  void on_refused(unsigned status) override {
    note([&] { ++refused_[status]; });
  }
  void on_finished() override {
    note([&] { finished_ = true; });
  }

  /// The next request.
  std::pair<request_id, http_request> take() {
    std::unique_lock guard{mutex_};
    if (!changed_.wait_for(guard, patience, [&] { return !requests_.empty(); })) {
      ADD_FAILURE() << "no request has come";
      return {};
    }
    auto first = std::move(requests_.front());
    requests_.pop_front();
    return first;
  }

  bool await_finished() {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, patience, [&] { return finished_; });
  }

  std::size_t waiting() {
    std::lock_guard guard{mutex_};
    return requests_.size();
  }

  unsigned refused(unsigned status) {
    std::lock_guard guard{mutex_};
    return refused_[status];
  }

private:
  template <class Change>
  void note(Change change) {
    std::lock_guard guard{mutex_};
    EXPECT_FALSE(finished_) << "on_finished was not the last call";
    change();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<request_id, http_request>> requests_;
  std::map<unsigned, unsigned> refused_;
  bool finished_ = false;
};

class http_server_test : public testing::Test {
protected:
  void listen(const http_options& options = {}) {
    auto made = network_.listen({"http", "127.0.0.1", 0}, options, handler_);
    ASSERT_TRUE(made) << made.error().message;
    listener_ = std::move(*made);
  }

  bool connect(raw_socket& client) { return client.connect(listener_->local().port); }

  static std::string post(std::string_view body, std::string_view fields = {}) {
    return fmt::format(
      "POST /some/where?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), fields, body);
  }

  /// One answer: its status line and fields, and its body.
  static std::string receive_answer(raw_socket& client) {
    std::string said;
    while (!said.ends_with("\r\n\r\n")) {
      auto next = client.receive(1);
      if (next.empty())
        return said + "<end>";
      said += next;
    }
    auto length = said.find("Content-Length: ");
    return length == said.npos ? said : said + client.receive(std::stoul(said.substr(length + 16)));
  }

  static bool is(const std::string& answer, unsigned status) {
    return answer.starts_with(fmt::format("HTTP/1.1 {} ", status));
  }

  void answer(request_id id, std::string text) { listener_->answer(id, http_text(200, std::move(text))); }

  socket_network network_;
  std::shared_ptr<http_recorder> handler_ = std::make_shared<http_recorder>();
  std::unique_ptr<http_listener> listener_;
};

constexpr auto soon = 50ms;

} // namespace

TEST_F(http_server_test, hands_requests_on_and_answers_them_by_their_ids) {
  listen();
  raw_socket first, second;
  ASSERT_TRUE(connect(first) && connect(second));
  ASSERT_TRUE(first.send(post("one", "Content-Type: a/b\r\nContent-Encoding: gzip\r\nAuthorization: Bearer t\r\n")));
  auto [first_id, request] = handler_->take();
  EXPECT_EQ(request.head.method, "POST");
  EXPECT_EQ(request.head.path, "/some/where");
  EXPECT_EQ(request.head.query, "a=b");
  EXPECT_EQ(request.head.content_type, "a/b");
  EXPECT_EQ(request.head.content_encoding, "gzip");
  EXPECT_EQ(request.head.authorization, "Bearer t");
  EXPECT_EQ(request.body.text(), "one");
  ASSERT_TRUE(second.send(post("two")));
  auto second_id = handler_->take().first;
  std::jthread{[&, id = second_id] { answer(id, "to the second"); }};
  EXPECT_TRUE(receive_answer(second).ends_with("\r\n\r\nto the second\n"));
  listener_->answer(first_id, {204, {}, {}, {{"Retry-After", "7"}}});
  EXPECT_EQ(receive_answer(first),
    "HTTP/1.1 204 No Content\r\nServer: sluice\r\nConnection: keep-alive\r\nRetry-After: 7\r\n\r\n");
}

TEST_F(http_server_test, takes_targets_as_a_proxy_is_given_them) {
  listen();
  raw_socket client;
  ASSERT_TRUE(connect(client));
  for (auto& [target, path, query] : {std::array<std::string, 3>{"http://a.b:80/c?d=/e", "/c", "d=/e"},
         {"HTTPS://a", "/", ""}, {"http://a?b=c", "/", "b=c"}, {"/c?d=http://e/f", "/c", "d=http://e/f"}}) {
    ASSERT_TRUE(client.send("POST " + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"));
    auto [id, request] = handler_->take();
    EXPECT_EQ(request.head.path, path) << target;
    EXPECT_EQ(request.head.query, query) << target;
    answer(id, "taken");
    EXPECT_TRUE(is(receive_answer(client), 200));
  }
}

TEST_F(http_server_test, takes_the_requests_of_a_connection_one_after_the_other) {
  listen();
  raw_socket client;
  ASSERT_TRUE(connect(client) && client.send(post("one") + post("two") + "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  for (std::string body : {"one", "two"}) {
    auto [id, request] = handler_->take();
    EXPECT_EQ(request.body.text(), body);
    EXPECT_EQ(handler_->waiting(), 0u);
    answer(id, body);
    EXPECT_TRUE(receive_answer(client).ends_with("\r\n\r\n" + body + "\n"));
  }
  EXPECT_TRUE(receive_answer(client).ends_with("a question\n"));
}

TEST_F(http_server_test, keeps_or_closes_a_connection_as_the_client_says) {
  listen();
  for (auto [request, keeps] : {std::pair{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
         {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false}, {"GET / HTTP/1.0\r\n\r\n", false},
         {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true}}) {
    raw_socket client;
    ASSERT_TRUE(connect(client) && client.send(std::string_view{request}));
    EXPECT_TRUE(receive_answer(client).find(keeps ? "keep-alive" : "close") != std::string::npos);
    if (keeps) {
      ASSERT_TRUE(client.send(std::string_view{request}));
      EXPECT_TRUE(is(receive_answer(client), 200));
    } else {
      EXPECT_EQ(client.receive(1), "");
    }
  }
}

TEST_F(http_server_test, answers_head_without_a_body) {
  listen();
  raw_socket client;
  ASSERT_TRUE(connect(client) && client.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  auto said = client.receive_all();
  EXPECT_TRUE(is(said, 200));
  EXPECT_NE(said.find("Content-Length: 11\r\n"), said.npos);
  EXPECT_TRUE(said.ends_with("\r\n\r\n"));
}

TEST_F(http_server_test, reads_bodies_in_chunks) {
  listen();
  raw_socket client;
  ASSERT_TRUE(connect(client));
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"));
  std::string long_chunk(100'000, 'x');
  ASSERT_TRUE(client.send(fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", long_chunk.size(), long_chunk) + post("next")));
  auto [id, request] = handler_->take();
  EXPECT_EQ(request.body.text(), "one" + long_chunk);
  answer(id, "read");
  EXPECT_TRUE(is(receive_answer(client), 200));
  EXPECT_EQ(handler_->take().second.body.text(), "next");
}

// A proxy that knows these codings sees another end of the request, and what follows it would be a request of its own.
TEST_F(http_server_test, refuses_bodies_whose_length_is_open_to_doubt) {
  listen();
  for (std::string fields :
    {"Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip, chunked",
      "Transfer-Encoding: identity", "Transfer-Encoding:", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: chunked\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: xchunked",
      "Transfer-Encoding: xchunked\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6"}) {
    raw_socket client;
    ASSERT_TRUE(connect(client));
    ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n\r\n0\r\n\r\n" + post("smuggled")));
    EXPECT_TRUE(is(receive_answer(client), 400)) << fields;
    EXPECT_EQ(client.receive(1), "") << fields;
  }
  EXPECT_EQ(handler_->waiting(), 0u);
}

TEST_F(http_server_test, asks_for_a_body_that_waits_to_be_asked_for) {
  listen();
  raw_socket client;
  ASSERT_TRUE(connect(client));
  ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(receive_answer(client), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.send("one"));
  EXPECT_EQ(handler_->take().second.body.text(), "one");
}

TEST_F(http_server_test, refuses_by_the_head_before_the_body_is_read) {
  listen();
  for (std::string fields : {"Content-Length: 1000000\r\n", "Content-Length: 3\r\nExpect: 100-continue\r\n"}) {
    raw_socket client;
    ASSERT_TRUE(connect(client) && client.send("POST /refused HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n"));
    EXPECT_TRUE(is(receive_answer(client), 403));
    EXPECT_EQ(client.receive(1), "");
  }
}

// To close while a client still sends would have the system throw the answer away.
TEST_F(http_server_test, lets_a_client_that_still_sends_read_why_it_was_refused) {
  listen();
  raw_socket client;
  std::string body(8 << 20, 'x');
  ASSERT_TRUE(connect(client));
  ASSERT_TRUE(client.send("POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n"));
  ASSERT_TRUE(client.send(body));
  EXPECT_TRUE(is(receive_answer(client), 403));
}

TEST_F(http_server_test, bounds_header_and_body) {
  listen({.max_header_bytes = 1024, .max_body_bytes = 1000});
  auto chunk = fmt::format("3e9\r\n{}\r\n0\r\n\r\n", std::string(1001, 'x'));
  for (auto& [request, status] :
    {std::pair{post("x", "X: " + std::string(1024, 'x') + "\r\n"), 431u}, {post(std::string(1001, 'x')), 413u},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk, 413u},
      {std::string{"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n"}, 400u}, {std::string{"\r\n{}\r\n"}, 400u},
      {post("x", "Expect: wonders\r\n"), 417u}}) {
    raw_socket client;
    ASSERT_TRUE(connect(client) && client.send(request));
    EXPECT_TRUE(is(receive_answer(client), status)) << status;
    EXPECT_GE(handler_->refused(status), 1u);
    EXPECT_EQ(client.receive(1), "");
  }
  raw_socket client;
  ASSERT_TRUE(connect(client) && client.send(post(std::string(1000, 'x'))));
  EXPECT_EQ(handler_->take().second.body.size(), 1000u);
}

TEST_F(http_server_test, waits_for_slow_clients_only_so_long) {
  listen({.idle_timeout = soon, .header_timeout = soon, .body_timeout = soon});
  raw_socket idle, header, body;
  ASSERT_TRUE(connect(idle) && connect(header) && connect(body));
  ASSERT_TRUE(header.send("POST / HTTP/1.1\r\n"));
  ASSERT_TRUE(body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"));
  EXPECT_EQ(idle.receive(1), "");
  EXPECT_TRUE(is(receive_answer(header), 408));
  EXPECT_TRUE(is(receive_answer(body), 408));
}

TEST_F(http_server_test, gives_up_an_answer_that_takes_too_long) {
  listen({.answer_timeout = soon});
  raw_socket client;
  ASSERT_TRUE(connect(client) && client.send(post("one")));
  auto id = handler_->take().first;
  auto said = receive_answer(client);
  EXPECT_TRUE(is(said, 503));
  EXPECT_NE(said.find("Retry-After: 1\r\n"), said.npos);
  answer(id, "late");
  EXPECT_EQ(client.receive(1), "");
}

TEST_F(http_server_test, holds_no_more_of_all_bodies_than_it_may) {
  listen({.max_held_bytes = 64 * 1024});
  raw_socket first, second, third;
  ASSERT_TRUE(connect(first) && connect(second) && connect(third));
  ASSERT_TRUE(first.send(post(std::string(40'000, 'x'))));
  auto id = handler_->take().first;
  ASSERT_TRUE(second.send(post("little too much")));
  auto said = receive_answer(second);
  EXPECT_TRUE(is(said, 503));
  EXPECT_NE(said.find("Retry-After: 1\r\n"), said.npos);
  answer(id, "done");
  EXPECT_TRUE(is(receive_answer(first), 200));
  ASSERT_TRUE(third.send(post("now it may")));
  EXPECT_EQ(handler_->take().second.body.text(), "now it may");
}

TEST_F(http_server_test, counts_an_answer_as_held_until_it_is_sent) {
  listen({.max_held_bytes = 64 * 1024});
  raw_socket first, second;
  ASSERT_TRUE(connect(first) && connect(second) && first.send(post("one")));
  std::string text(32 << 20, 'x'); // more than goes into the buffers of sockets
  answer(handler_->take().first, text);
  EXPECT_EQ(first.receive(1), "H");
  ASSERT_TRUE(second.send(post("too much")));
  EXPECT_TRUE(is(receive_answer(second), 503));
  EXPECT_TRUE(is("H" + receive_answer(first), 200));
  ASSERT_TRUE(first.send(post("now it may")));
  EXPECT_EQ(handler_->take().second.body.text(), "now it may");
}

// Each took 16 KiB, so that 4,096 clients with a few bytes each had all others refused.
TEST_F(http_server_test, holds_of_small_bodies_no_more_than_they_have) {
  listen({.max_held_bytes = 100});
  std::array<raw_socket, 10> clients;
  for (auto& each : clients)
    ASSERT_TRUE(connect(each) && each.send(post("ten bytes!")));
  raw_socket another;
  for (std::size_t i = 0; i < clients.size(); ++i)
    EXPECT_EQ(handler_->take().second.body.text(), "ten bytes!");
  ASSERT_TRUE(connect(another) && another.send(post("x")));
  EXPECT_TRUE(is(receive_answer(another), 503));
}

TEST_F(http_server_test, bounds_connections) {
  listen({.max_connections = 1});
  raw_socket first, second;
  ASSERT_TRUE(connect(first) && first.send(post("one")));
  auto id = handler_->take().first;
  ASSERT_TRUE(connect(second));
  EXPECT_EQ(second.receive(1), "");
  answer(id, "still there");
  EXPECT_TRUE(is(receive_answer(first), 200));
  EXPECT_EQ(handler_->refused(503), 1u);
}

// It kept its place among the connections for ever.
TEST_F(http_server_test, forgets_a_connection_that_ends_by_an_exception) {
  listen({.max_connections = 1});
  raw_socket failing, next;
  ASSERT_TRUE(connect(failing) && failing.send("GET /failing HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(failing.receive(1), "");
  ASSERT_TRUE(connect(next) && next.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_TRUE(is(receive_answer(next), 200));
  next.close();
  listener_->finish();
  EXPECT_TRUE(handler_->await_finished());
}

TEST_F(http_server_test, answers_whole_requests_before_it_finishes) {
  listen();
  raw_socket idle, half, whole;
  ASSERT_TRUE(connect(idle) && connect(half) && connect(whole));
  ASSERT_TRUE(half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"));
  ASSERT_TRUE(whole.send(post("whole")));
  auto id = handler_->take().first;
  listener_->finish();
  EXPECT_EQ(idle.receive(1), "");
  EXPECT_EQ(half.receive(1), "");
  answer(id, "done");
  auto said = receive_answer(whole);
  EXPECT_TRUE(is(said, 200));
  EXPECT_NE(said.find("Connection: close\r\n"), said.npos);
  whole.close();
  EXPECT_TRUE(handler_->await_finished());
  raw_socket late;
  EXPECT_FALSE(connect(late));
}

TEST_F(http_server_test, closes_everything_with_its_listener) {
  listen();
  raw_socket idle, waiting;
  ASSERT_TRUE(connect(idle) && connect(waiting) && waiting.send(post("one")));
  handler_->take();
  listener_.reset();
  EXPECT_EQ(idle.receive(1), "");
  EXPECT_EQ(waiting.receive(1), "");
}

TEST_F(http_server_test, forgets_a_client_that_is_gone_before_its_answer) {
  listen({.max_held_bytes = 4096}); // one body, and what is answered
  for (auto i = 0; i < 3; ++i) {
    raw_socket client;
    ASSERT_TRUE(connect(client) && client.send(post(std::string(3000, 'x'))));
    auto id = handler_->take().first;
    client.close();
    answer(id, "for nobody");
  }
}

} // namespace sluice::test

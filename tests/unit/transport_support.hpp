#pragma once

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/socket_network.hpp"

namespace sluice::test {

using namespace std::chrono_literals;

/// No test waits longer for what must happen.
inline constexpr auto patience = 20s;

/// Remembers what happened on a link; other threads wait for it.
class recorder : public link_handler {
public:
  void on_open() override {
    note([&] { opened_ = true; });
  }
  void on_message(link_message message, std::size_t credit) override {
    note([&] {
      messages_.push_back(std::move(message));
      credit_ += credit;
    });
  }
  void on_sent(std::size_t bytes) override {
    note([&] { sent_ += bytes; });
  }
  void on_closed(error reason) override {
    note([&] { closed_ = std::move(reason); });
  }

  bool await_open() {
    return await([&] { return opened_ || closed_; }) && opened_;
  }
  bool await_messages(std::size_t count) {
    return await([&] { return messages_.size() >= count; });
  }
  bool await_sent(std::size_t bytes) {
    return await([&] { return sent_ >= bytes; });
  }
  error await_closed() {
    return await([&] { return closed_.has_value(); }) ? locked(closed_).value() : error{errc::none, "not closed"};
  }

  std::vector<link_message> messages() { return locked(messages_); }
  std::size_t credit() { return locked(credit_); }
  std::size_t sent() { return locked(sent_); }
  bool is_closed() { return locked(closed_).has_value(); }

private:
  template <class Change>
  void note(Change change) {
    std::lock_guard guard{mutex_};
    EXPECT_FALSE(closed_) << "on_closed was not the last call";
    change();
    changed_.notify_all();
  }

  template <class Condition>
  bool await(Condition condition) {
    std::unique_lock guard{mutex_};
    return changed_.wait_for(guard, patience, condition);
  }

  template <class T>
  T locked(const T& value) {
    std::lock_guard guard{mutex_};
    return value;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool opened_ = false;
  std::vector<link_message> messages_;
  std::size_t credit_ = 0, sent_ = 0;
  std::optional<error> closed_;
};

/// Takes what a listener accepts.
class accepted_links {
public:
  network::accept_handler handler() {
    return [this](std::unique_ptr<link> accepted) {
      std::lock_guard guard{mutex_};
      links_.push_back(std::move(accepted));
      changed_.notify_all();
    };
  }

  /// The next one, or nullptr after the patience is over.
  std::unique_ptr<link> take() {
    std::unique_lock guard{mutex_};
    if (!changed_.wait_for(guard, patience, [&] { return !links_.empty(); }))
      return nullptr;
    auto first = std::move(links_.front());
    links_.erase(links_.begin());
    return first;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<link>> links_;
};

/// A plain socket that says what it likes.
class raw_socket {
public:
  explicit raw_socket(int number = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) : number_{number} {}
  raw_socket(const raw_socket&) = delete;
  ~raw_socket() { close(); }

  bool connect(std::uint16_t port) {
    auto to = loopback(port);
    return ::connect(number_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }

  std::uint16_t listen(int backlog = 16) {
    auto at = loopback(0);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(number_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(number_, backlog), 0);
    EXPECT_EQ(::getsockname(number_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    return ntohs(at.sin_port);
  }

  int accept() { return await_readable() ? ::accept(number_, nullptr, nullptr) : -1; }

  bool send(byte_view bytes) {
    return ::send(number_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  bool send(std::string_view text) { return send(as_bytes(text)); }

  /// Exactly `size` bytes, or less if the peer ends or falls silent.
  std::string receive(std::size_t size) {
    std::string result(size, '\0');
    std::size_t filled = 0;
    while (filled < size && await_readable()) {
      auto count = ::recv(number_, result.data() + filled, size - filled, 0);
      if (count <= 0)
        break;
      filled += static_cast<std::size_t>(count);
    }
    result.resize(filled);
    return result;
  }

  /// Everything until the peer ends, in order or not.
  std::string receive_all() { return receive(1 << 20); }

  void close() {
    if (number_ != -1)
      ::close(number_);
    number_ = -1;
  }

  int number() const { return number_; }

private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return result;
  }

  bool await_readable() {
    pollfd waiting{number_, POLLIN, 0};
    return ::poll(&waiting, 1, std::chrono::milliseconds{patience}.count()) == 1;
  }

  int number_;
};

/// All bytes of a message as they travel.
inline std::string encoded(const link_message& message) {
  std::string result{encode_head(message).text()};
  if (auto* body = std::get_if<frame>(&message))
    result += as_text(body->bytes());
  return result;
}

inline frame make_frame(std::uint64_t sequence, std::size_t payload_bytes) {
  std::string payload(payload_bytes, static_cast<char>('a' + sequence % 26));
  frame_header header;
  header.decoded_bytes = static_cast<std::uint32_t>(payload_bytes);
  header.sequence = sequence;
  auto result = frame::encode(header, as_bytes(payload));
  EXPECT_TRUE(result.has_value());
  return *result;
}

inline ack make_ack(std::uint64_t sequence) {
  return {{}, {1, sequence, 10 * sequence}};
}

inline constexpr std::size_t plenty = 1 << 30;

/// A network, a listener on a free port, and both ends of a link.
class tcp_fixture : public testing::Test {
protected:
  void listen(const link_options& options = {}) {
    auto made = network_.listen({scheme_, "127.0.0.1", 0}, options, accepted_.handler());
    ASSERT_TRUE(made) << made.error().message;
    listener_ = std::move(*made);
  }

  std::uint16_t port() const { return listener_->local().port; }

  std::unique_ptr<link> connect(std::shared_ptr<link_handler> handler, const link_options& options = {}) {
    return connect({scheme_, "127.0.0.1", port()}, std::move(handler), options);
  }

  std::unique_ptr<link> connect(
    const endpoint& to, std::shared_ptr<link_handler> handler, const link_options& options = {}) {
    auto made = network_.connect(to, options);
    made->start(std::move(handler));
    return made;
  }

  /// Opens a link and accepts it.
  void open(const link_options& options = {}) {
    listen(options);
    client_link_ = connect(client_, options);
    ASSERT_TRUE(accept());
    ASSERT_TRUE(client_->await_open());
  }

  bool accept() {
    server_link_ = accepted_.take();
    if (!server_link_)
      return false;
    server_link_->start(server_);
    return true;
  }

  /// A raw client that has exchanged prefaces with the server.
  bool open_raw(raw_socket& client) {
    return client.connect(port()) && accept() && client.send(preface()) &&
           client.receive(protocol_limits::preface_bytes) == as_text(preface());
  }

  std::string scheme_ = "tcp";
  socket_network network_;
  accepted_links accepted_;
  std::unique_ptr<listener> listener_;
  std::shared_ptr<recorder> client_ = std::make_shared<recorder>();
  std::shared_ptr<recorder> server_ = std::make_shared<recorder>();
  std::unique_ptr<link> client_link_, server_link_;
};

} // namespace sluice::test

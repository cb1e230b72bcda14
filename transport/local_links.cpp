#include "transport/local_links.hpp"

#include <deque>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "transport/handler_gate.hpp"
#include "transport/network_engine.hpp"

namespace sluice {

/// One end of a link. Everything but the gate belongs to the engine's thread.
class local_links::side : public std::enable_shared_from_this<side> {
public:
  handler_gate<link_handler> handler;

  static void join(const std::shared_ptr<side>& a, const std::shared_ptr<side>& b) {
    a->other_ = b;
    b->other_ = a;
  }

  /// Both sides have to, before messages flow.
  void start() {
    is_started_ = true;
    auto other = other_.lock();
    if (!other || !other->is_started_)
      return;
    for (auto* each : {other.get(), this})
      each->handler.pass([](link_handler& to) { to.on_open(); });
    other->deliver();
    deliver();
  }

  void send(link_message message, std::size_t bytes) {
    if (auto other = other_.lock()) {
      other->incoming_.emplace_back(std::move(message), bytes);
      other->deliver();
    }
  }

  void grant(std::size_t bytes) {
    credit_ += static_cast<std::int64_t>(bytes);
    deliver();
  }

  /// What was sent before still arrives, as far as the credit of the other side goes at present.
  void release() {
    auto other = other_.lock();
    other_.reset();
    if (other)
      other->lose({errc::connection_lost, "the other part of this process has closed the link"});
  }

  void lose(error reason) {
    other_.reset();
    handler.pass_last([&](link_handler& to) { to.on_closed(std::move(reason)); });
  }

private:
  void deliver() {
    while (is_started_ && credit_ > 0 && !incoming_.empty()) {
      auto [message, bytes] = std::move(incoming_.front());
      incoming_.pop_front();
      auto credit = message_credit(bytes);
      credit_ -= static_cast<std::int64_t>(credit);
      handler.pass([&](link_handler& to) { to.on_message(std::move(message), credit); });
      if (auto other = other_.lock())
        other->handler.pass([bytes = bytes](link_handler& to) { to.on_sent(bytes); });
    }
  }

  std::weak_ptr<side> other_;
  std::deque<std::pair<link_message, std::size_t>> incoming_;
  std::int64_t credit_ = 0;
  bool is_started_ = false;
};

class local_links::local_link final : public link {
public:
  /// `begin` is called on the engine's thread when it is started.
  local_link(
    std::shared_ptr<network_engine> engine, std::shared_ptr<side> mine, std::string peer, std::function<void()> begin)
    : engine_(std::move(engine)), side_(std::move(mine)), peer_(std::move(peer)), begin_(std::move(begin)) {}

  ~local_link() override {
    side_->handler.shut();
    boost::asio::post(engine_->io, [side = side_] { side->release(); });
  }

  void start(std::shared_ptr<link_handler> handler) override {
    side_->handler.open(std::move(handler));
    boost::asio::post(engine_->io, [side = side_, begin = std::move(begin_)] {
      if (begin)
        begin();
      side->start();
    });
  }

  std::size_t send(link_message message) override {
    auto bytes = encode_head(message).size();
    if (auto* body = std::get_if<frame>(&message))
      bytes += body->size();
    boost::asio::post(engine_->io,
      [side = side_, message = std::move(message), bytes]() mutable { side->send(std::move(message), bytes); });
    return bytes;
  }

  void grant(std::size_t bytes) override {
    boost::asio::post(engine_->io, [side = side_, bytes] { side->grant(bytes); });
  }

  const std::string& peer() const noexcept override { return peer_; }

private:
  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<side> side_;
  std::string peer_;
  std::function<void()> begin_;
};

class local_links::local_listener final : public listener {
public:
  local_listener(endpoint where, std::shared_ptr<network::accept_handler> on_accept)
    : where_(std::move(where)), on_accept_(std::move(on_accept)) {}

  const endpoint& local() const noexcept override { return where_; }

private:
  endpoint where_;
  std::shared_ptr<network::accept_handler> on_accept_;
};

std::unique_ptr<link> local_links::connect(const endpoint& peer) {
  auto mine = std::make_shared<side>();
  auto name = to_string(peer);
  return std::make_unique<local_link>(
    engine_.lock(), mine, name, [self = shared_from_this(), name, mine] { self->accept(name, mine); });
}

expected<std::unique_ptr<listener>> local_links::listen(const endpoint& where, network::accept_handler on_accept) {
  auto shared = std::make_shared<network::accept_handler>(std::move(on_accept));
  std::lock_guard guard{mutex_};
  auto& known = listeners_[to_string(where)];
  if (!known.expired())
    return fail(errc::address_in_use, fmt::format("{}: something in this process listens there", to_string(where)));
  known = shared;
  return std::make_unique<local_listener>(where, std::move(shared));
}

void local_links::accept(const std::string& where, const std::shared_ptr<side>& caller) {
  std::shared_ptr<network::accept_handler> found;
  {
    std::lock_guard guard{mutex_};
    if (auto at = listeners_.find(where); at != listeners_.end())
      found = at->second.lock();
  }
  auto engine = engine_.lock();
  if (!found || !engine)
    return caller->lose({errc::unreachable, where + ": nothing in this process listens there"});
  auto theirs = std::make_shared<side>();
  side::join(caller, theirs);
  (*found)(std::make_unique<local_link>(engine, theirs, "this process", std::function<void()>{}));
}

} // namespace sluice

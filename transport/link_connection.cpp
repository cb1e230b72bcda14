#include "transport/link_connection.hpp"

#include <algorithm>
#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "transport/tcp_options.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr auto closing_time = std::chrono::seconds{1};
constexpr std::size_t discarded_bytes = 16 * 1024;
constexpr std::size_t max_gather_bytes = 1024 * 1024;
constexpr std::size_t usual_message_bytes = 2 * 1024 * 1024; // beyond it, a message takes from the room of all

constexpr link_side other_side(link_side side) noexcept {
  return side == link_side::shipper ? link_side::receiver : link_side::shipper;
}

std::string without_scheme(const endpoint& where) {
  return to_string(where).substr(where.scheme.size() + 3);
}

} // namespace

link_connection::link_connection(
  link_side side, lane_socket stream, endpoint peer, const link_options& options, std::shared_ptr<large_messages> room)
  : stream_{std::move(stream)}, timer_{stream_.get_executor()}, remote_{std::move(peer)},
    peer_name_{without_scheme(remote_)}, options_{options}, side_{side}, decoder_{other_side(side)}, room_{std::move(
                                                                                                       room)} {}

link_connection::~link_connection() {
  room_->bytes -= taken_;
}

template <class Action>
void link_connection::post(Action action) {
  asio::post(stream_.get_executor(), [self = shared_from_this(), action = std::move(action)]() mutable { action(); });
}

/// The io_context's run returns only once all that was spawned has ended: that is where it is joined.
template <class T>
void link_connection::spawn(awaitable<T> work) {
  asio::co_spawn(stream_.get_executor(), std::move(work), [](std::exception_ptr failure) {
    if (failure)
      std::rethrow_exception(failure);
  });
}

void link_connection::start(std::shared_ptr<link_handler> handler) {
  handler_.open(std::move(handler));
  post([this] {
    if (phase_ == phase::idle)
      spawn(run(shared_from_this()));
  });
}

std::size_t link_connection::send(link_message message) {
  auto next = outgoing::of(std::move(message));
  auto bytes = next.size();
  post([this, next = std::move(next)]() mutable { push(std::move(next)); });
  return bytes;
}

void link_connection::grant(std::size_t bytes) {
  post([this, bytes] {
    if (credit_ <= 0)
      last_heard_ = clock::now();
    credit_ += static_cast<std::int64_t>(bytes);
    if (phase_ == phase::open)
      find_room();
    read_on();
  });
}

void link_connection::release() {
  handler_.shut();
  post([this] {
    if (phase_ == phase::open)
      linger();
    else if (phase_ != phase::closing)
      close();
  });
}

// -- opening ----------------------------------------------------------------------------------------------------------

asio::awaitable<void> link_connection::run(self_ptr self) {
  enter(phase::connecting, options_.connect_timeout);
  spawn(watch(self));
  expected<void> done;
  if (side_ == link_side::shipper)
    done = co_await connect();
  if (done && phase_ != phase::closed) {
    if (stream_.is_tcp())
      set_link_options(stream_.lowest_layer(), side_);
    stream_.begin();
  }
  if (is_secured() && done && phase_ != phase::closed) {
    enter(phase::securing, options_.handshake_timeout);
    done = co_await secure();
  }
  if (done && phase_ != phase::closed) {
    enter(phase::greeting, options_.handshake_timeout);
    done = co_await greet();
  }
  if (phase_ == phase::closed)
    co_return;
  if (!done)
    co_return lose(std::move(done.error()));
  last_heard_ = last_sent_ = clock::now();
  enter(phase::open);
  spdlog::debug("{}: link is open", to_string(remote_));
  handler_.pass([](link_handler& handler) { handler.on_open(); });
  read_on();
  write_on();
}

asio::awaitable<expected<void>> link_connection::connect() {
  if (!is_link_scheme(remote_.scheme))
    co_return fail(about(errc::invalid_argument, "unknown scheme; links go over tcp, tls and udp"));
  error_code not_numeric;
  auto address = asio::ip::make_address(remote_.host, not_numeric);
  tcp::resolver::results_type targets;
  if (not_numeric) {
    tcp::resolver resolver{stream_.get_executor()};
    auto [failure, found] = co_await resolver.async_resolve(remote_.host, std::to_string(remote_.port), as_result);
    if (failure)
      co_return fail(about(errc::unreachable, stream_.explain(failure).message));
    targets = std::move(found);
  } else {
    targets = tcp::resolver::results_type::create(tcp::endpoint{address, remote_.port}, "", "");
  }
  if (phase_ != phase::connecting)
    co_return expected<void>{};
  if (auto failure = co_await stream_.connect(std::move(targets)))
    co_return fail(about(errc::unreachable, stream_.explain(failure).message));
  co_return expected<void>{};
}

asio::awaitable<expected<void>> link_connection::secure() {
  if (!options_.tls)
    co_return fail(about(errc::invalid_argument, "nothing is said of whom TLS is to trust"));
  if (auto begun = stream_.secure(*options_.tls, remote_.host); !begun)
    co_return fail(about(begun.error().code, begun.error().message));
  auto [failure, bytes] = co_await stream_.async_handshake(as_result);
  if (failure && failure != tls_session::protocol_failure())
    co_return fail(about(errc::connection_lost, "the peer closed the connection instead of agreeing on TLS"));
  if (failure)
    co_return fail(about(failure));
  co_return expected<void>{};
}

asio::awaitable<expected<void>> link_connection::greet() {
  error_code failure;
  if (side_ == link_side::shipper)
    failure = co_await write_preface();
  std::array<std::byte, protocol_limits::preface_bytes> theirs;
  std::size_t received = 0;
  if (!failure)
    std::tie(failure, received) = co_await asio::async_read(stream_, asio::buffer(theirs), as_result);
  if (received == theirs.size() || (failure == asio::error::eof && received > 0)) {
    if (auto checked = check_preface(std::span{theirs}.first(received)); !checked)
      co_return fail(about(checked.error().code, checked.error().message));
  }
  if (!failure && side_ == link_side::receiver)
    failure = co_await write_preface();
  if (failure == asio::error::eof)
    co_return fail(about(errc::connection_lost, "the peer closed the connection before it had said what it speaks"));
  if (failure)
    co_return fail(about(failure));
  co_return expected<void>{};
}

asio::awaitable<error_code> link_connection::write_preface() {
  auto ours = preface();
  auto [failure, sent] = co_await asio::async_write(stream_, asio::buffer(ours.data(), ours.size()), as_result);
  co_return failure;
}

// -- time -------------------------------------------------------------------------------------------------------------

void link_connection::enter(phase next, clock::duration deadline) {
  phase_ = next;
  deadline_ = clock::now() + deadline;
  timer_.cancel();
}

asio::awaitable<void> link_connection::watch(self_ptr self) {
  while (phase_ != phase::closed) {
    timer_.expires_at(next_check());
    co_await timer_.async_wait(as_result);
    if (phase_ != phase::closed)
      check(clock::now());
  }
}

link_connection::clock::time_point link_connection::next_check() const {
  if (phase_ != phase::open)
    return deadline_;
  return std::min({last_heard_ + options_.silence_timeout, last_sent_ + options_.heartbeat_interval,
    clock::now() + options_.message_timeout});
}

void link_connection::check(clock::time_point now) {
  if (phase_ != phase::open) {
    if (now >= deadline_)
      expire();
    return;
  }
  if (credit_ <= 0 || stream_.available() > 0)
    last_heard_ = now; // who has not listened does not judge
  if (now >= last_heard_ + options_.silence_timeout)
    return lose(
      about(errc::timed_out, fmt::format("the peer has been silent for {} ms", options_.silence_timeout.count())));
  if (!decoder_.at_boundary() && now >= message_began_ + options_.message_timeout)
    return refuse(
      {errc::timed_out, fmt::format("a message was not complete within {} ms", options_.message_timeout.count())});
  if (now >= last_sent_ + options_.heartbeat_interval) {
    last_sent_ = now;
    if (!writing_)
      push_own(heartbeat{});
  }
}

void link_connection::expire() {
  switch (phase_) {
  case phase::connecting:
    return lose(about(errc::unreachable, fmt::format("no connection within {} ms", options_.connect_timeout.count())));
  case phase::securing:
    return lose(about(
      errc::timed_out, fmt::format("the peer did not agree on TLS within {} ms", options_.handshake_timeout.count())));
  case phase::greeting:
    return lose(about(errc::timed_out,
      fmt::format("the peer sent no Sluice preface within {} ms", options_.handshake_timeout.count())));
  default:
    return close();
  }
}

// -- reading ----------------------------------------------------------------------------------------------------------

void link_connection::read_on() {
  if (reading_ || !may_read())
    return;
  reading_ = true;
  spawn(read_loop(shared_from_this()));
}

asio::awaitable<void> link_connection::read_loop(self_ptr) {
  while (may_read()) {
    if (phase_ != phase::open)
      forget_input();
    auto into = phase_ == phase::open ? decoder_.want() : std::span{discarded_.data(), discarded_.size()};
    auto [failure, bytes] = co_await stream_.async_read_some(asio::buffer(into.data(), into.size()), as_result);
    if (phase_ == phase::closed)
      co_return;
    if (failure)
      co_return read_ended(failure);
    last_heard_ = clock::now();
    if (phase_ == phase::open)
      consume(bytes);
  }
  reading_ = false;
}

void link_connection::consume(std::size_t bytes) {
  if (decoder_.at_boundary())
    message_began_ = last_heard_;
  auto complete = decoder_.fed(bytes);
  if (!complete)
    return refuse(complete.error());
  if (!*complete) {
    if (!find_room())
      refuse({errc::overloaded,
        fmt::format("no room for a large message at present: all of them may take {} bytes", room_->max_bytes)});
    return;
  }
  auto [message, size] = decoder_.take();
  if (std::holds_alternative<heartbeat>(message))
    return;
  auto credit = message_credit(size);
  credit_ -= static_cast<std::int64_t>(credit);
  find_room();
  handler_.pass(
    [&message = message, credit](link_handler& handler) { handler.on_message(std::move(message), credit); });
}

/// Takes room for a large message that is being read or has overdrawn the credit, and gives back what is no longer
/// needed. Returns whether what was taken more was there.
bool link_connection::find_room() {
  auto overdrawn = static_cast<std::size_t>(std::max<std::int64_t>(-credit_, 0));
  auto needed = std::max({decoder_.capacity(), overdrawn, usual_message_bytes}) - usual_message_bytes;
  auto taken = std::exchange(taken_, needed);
  auto sum = room_->bytes += needed - taken;
  return needed <= taken || sum <= room_->max_bytes;
}

/// Gives back what a message took that will not be completed. Only while no read is under way into it.
void link_connection::forget_input() {
  decoder_ = message_decoder{other_side(side_)};
  room_->bytes -= std::exchange(taken_, 0);
}

void link_connection::read_ended(const error_code& why) {
  if (phase_ == phase::closing) {
    peer_ended_ = true;
    if (flushed_ || why != asio::error::eof)
      close();
  } else if (why == asio::error::eof) {
    lose(decoder_.at_boundary() ? about(errc::connection_lost, "the peer closed the connection")
                                : about(errc::truncated, "the peer closed the connection within a message"));
  } else {
    lose(about(why));
  }
}

// -- writing ----------------------------------------------------------------------------------------------------------

link_connection::outgoing link_connection::outgoing::of(link_message message) {
  outgoing result{encode_head(message), {}};
  if (auto* body = std::get_if<frame>(&message))
    result.body = std::move(*body);
  return result;
}

void link_connection::push(outgoing next) {
  if (phase_ == phase::closing || phase_ == phase::closed)
    return;
  queue_.push_back(std::move(next));
  write_on();
}

void link_connection::push_own(link_message message) {
  auto next = outgoing::of(std::move(message));
  next.own = true;
  push(std::move(next));
}

void link_connection::write_on() {
  if (writing_ || (phase_ != phase::open && phase_ != phase::closing))
    return;
  writing_ = true;
  spawn(write_loop(shared_from_this()));
}

asio::awaitable<void> link_connection::write_loop(self_ptr) {
  while (!queue_.empty()) {
    std::array<asio::const_buffer, 32> parts;
    std::size_t used = 0, messages = 0, bytes = 0;
    while (messages < queue_.size() && used + 2 <= parts.size() && bytes < max_gather_bytes) {
      auto& next = queue_[messages++];
      bytes += next.size();
      parts[used++] = asio::buffer(next.head.data(), next.head.size());
      if (next.body.size() > 0)
        parts[used++] = asio::buffer(next.body.bytes().data(), next.body.size());
    }
    auto [failure, sent] = co_await asio::async_write(stream_, std::span{parts}.first(used), as_result);
    if (phase_ == phase::closed)
      co_return;
    if (failure)
      co_return lose(about(failure));
    written(messages);
  }
  writing_ = false;
  if (phase_ != phase::closing)
    co_return;
  stream_.shutdown_send();
  flushed_ = true;
  if (peer_ended_)
    close();
}

void link_connection::written(std::size_t messages) {
  last_sent_ = clock::now();
  std::size_t bytes = 0;
  for (; messages > 0; --messages) {
    bytes += queue_.front().own ? 0 : queue_.front().size();
    queue_.pop_front();
  }
  if (bytes > 0)
    handler_.pass([bytes](link_handler& handler) { handler.on_sent(bytes); });
}

// -- ending -----------------------------------------------------------------------------------------------------------

error link_connection::about(errc code, std::string_view what) const {
  return {code, fmt::format("{}: {}", to_string(remote_), what)};
}

error link_connection::about(const error_code& why) const {
  auto reason = stream_.explain(why);
  return about(reason.code, reason.message);
}

void link_connection::lose(error reason) {
  close();
  handler_.pass_last([&reason](link_handler& handler) { handler.on_closed(std::move(reason)); });
}

void link_connection::refuse(const error& reason) {
  push_own(notice{reason, true});
  linger();
  handler_.pass_last(
    [reason = about(reason.code, reason.message)](link_handler& handler) { handler.on_closed(reason); });
}

/// Lets the peer read to the end: were the connection closed while its data still comes, the reset would overtake ours.
void link_connection::linger() {
  enter(phase::closing, closing_time);
  discarded_.resize(discarded_bytes);
  read_on();
  write_on();
}

void link_connection::close() {
  phase_ = phase::closed;
  timer_.cancel();
  stream_.close();
  spdlog::debug("{}: link is closed", to_string(remote_));
}

} // namespace sluice

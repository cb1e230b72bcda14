#include "transport/udp_stream.hpp"

#include <random>

#include "transport/network_engine.hpp"
#include "transport/udp_port.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto first_ask_pause = std::chrono::milliseconds{250};
constexpr auto closing_time = std::chrono::seconds{1};

std::uint64_t random_connection() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

} // namespace

udp_stream::udp_stream(network_engine& engine)
  : engine_{engine}, timer_{engine.io}, readable_{engine.io, time_point::max()},
    writable_{engine.io, time_point::max()}, connection_{random_connection()} {}

udp_stream::udp_stream(
  network_engine& engine, std::shared_ptr<udp_port> port, udp::endpoint peer, const datagram_head& first)
  : engine_{engine}, timer_{engine.io}, readable_{engine.io, time_point::max()},
    writable_{engine.io, time_point::max()}, port_{std::move(port)}, peer_{std::move(peer)}, connection_{
                                                                                               first.connection} {
  port_->add(*this);
  open(first.token, datagram_clock::now());
}

udp_stream::~udp_stream() {
  if (port_)
    port_->remove(*this);
}

// -- as a socket ------------------------------------------------------------------------------------------------------

/// What keeps a step from being taken, if anything does for good.
socket_step udp_stream::outcome(asio::socket_base::wait_type otherwise) const {
  if (is_closed_)
    return {0, asio::error::operation_aborted, std::nullopt};
  if (failure_)
    return {0, failure_, std::nullopt};
  return {0, {}, otherwise};
}

socket_step udp_stream::connect_now(const udp::endpoint& to) {
  if (channel_ && !is_closed_)
    return {};
  if (!port_ && !is_closed_)
    failure_ = begin_to_connect(to);
  auto step = outcome(asio::socket_base::wait_read);
  if (step.failure && port_) { // another address may be tried
    port_->remove(*this);
    port_.reset();
  }
  return step;
}

error_code udp_stream::begin_to_connect(const udp::endpoint& to) {
  peer_ = to;
  port_ = std::make_shared<udp_port>(engine_);
  port_->add(*this);
  if (auto failure = port_->connect(to))
    return failure;
  ask_pause_ = first_ask_pause;
  ask_for_token(datagram_clock::now());
  return {};
}

void udp_stream::ask_for_token(time_point now) {
  ask_at_ = now + ask_pause_;
  ask_pause_ *= 2;
  port_->send({.kind = datagram_kind::open, .connection = connection_}, peer_);
  arm();
}

socket_step udp_stream::read_now(std::span<std::byte> into) {
  if (!channel_ || is_closed_)
    return outcome(asio::socket_base::wait_read);
  if (auto bytes = channel_->read(into)) {
    send(datagram_clock::now());
    return {bytes, {}, std::nullopt};
  }
  if (channel_->at_end())
    return {0, asio::error::eof, std::nullopt};
  return outcome(asio::socket_base::wait_read);
}

socket_step udp_stream::write_now(std::span<const asio::const_buffer> from) {
  if (failure_ && !is_closed_ && channel_->has_input())
    return {0, {}, asio::socket_base::wait_write}; // it may say why the peer is gone, and is to be read first
  if (auto step = outcome(asio::socket_base::wait_write); step.failure)
    return step;
  std::size_t taken = 0;
  for (auto& part : from) {
    auto bytes = channel_->write({static_cast<const std::byte*>(part.data()), part.size()});
    taken += bytes;
    if (bytes < part.size())
      break;
  }
  if (taken == 0)
    return outcome(asio::socket_base::wait_write);
  send(datagram_clock::now());
  return {taken, {}, std::nullopt};
}

void udp_stream::shutdown_send() {
  if (!channel_)
    return;
  auto now = datagram_clock::now();
  ends_at_ = now + closing_time;
  channel_->end();
  send(now);
}

void udp_stream::close() {
  if (std::exchange(is_closed_, true))
    return;
  readable_.cancel();
  writable_.cancel();
  if (ends_at_ == time_point::max() || failure_ || channel_->is_flushed())
    finish();
  else
    arm(); // the timer keeps it
}

void udp_stream::finish() {
  if (channel_ && !channel_->is_closed())
    port_->send(channel_->close_head(), peer_);
  if (port_)
    port_->remove(*this);
  channel_.reset();
  timer_.cancel();
  is_finished_ = true;
}

// -- for its port -----------------------------------------------------------------------------------------------------

void udp_stream::receive(const datagram& came, time_point now) {
  if (channel_)
    channel_->receive(came, now, [this](auto what, auto times) { engine_.datagrams.add(what, times); });
  else if (came.head.kind == datagram_kind::token && !is_closed_)
    open(came.head.token, now);
}

void udp_stream::open(std::uint64_t token, time_point now) {
  channel_.emplace(connection_, token, port_->datagram_bytes(), now);
  readable_.cancel();
}

void udp_stream::fail(const error_code& why) {
  if (!failure_)
    failure_ = why;
}

std::optional<datagram_channel::outgoing> udp_stream::next(time_point now) {
  return channel_ && !failure_ ? channel_->next(now) : std::nullopt;
}

void udp_stream::settle(time_point now) {
  if (channel_ && channel_->is_closed())
    fail(asio::error::connection_reset);
  if (channel_ && channel_->is_silent(now))
    fail(asio::error::timed_out);
  if (is_closed_ && !is_finished_ && (failure_ || channel_->is_flushed() || now >= ends_at_))
    return finish();
  if (failure_ || (channel_ && channel_->has_input()))
    readable_.cancel();
  if (failure_ || (channel_ && channel_->has_room()))
    writable_.cancel();
  port_->collect(*this, now);
  arm();
}

void udp_stream::send(time_point now) {
  port_->collect(*this, now);
  port_->flush();
  arm();
}

// -- time -------------------------------------------------------------------------------------------------------------

udp_stream::time_point udp_stream::deadline() const noexcept {
  return channel_ ? std::min(channel_->next_timeout(), is_closed_ ? ends_at_ : time_point::max()) : ask_at_;
}

/// A timer that is due earlier is left alone: most of what it was set for has happened by then.
void udp_stream::arm() {
  auto at = deadline();
  if (failure_ || is_finished_ || at >= armed_)
    return;
  armed_ = at;
  timer_.expires_at(at);
  timer_.async_wait([self = shared_from_this()](const error_code& failure) {
    if (!failure)
      self->on_time();
  });
}

void udp_stream::on_time() {
  armed_ = time_point::max();
  auto now = datagram_clock::now();
  if (!port_ || failure_ || is_finished_)
    return;
  if (!channel_)
    return now < ask_at_ ? arm() : ask_for_token(now);
  channel_->expire(now);
  settle(now);
  port_->flush();
}

} // namespace sluice

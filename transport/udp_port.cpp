#include "transport/udp_port.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <sys/socket.h>

#include "transport/network_engine.hpp"
#include "transport/socket_address.hpp"
#include "transport/udp_socket.hpp"
#include "transport/udp_stream.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t calls_per_turn = 8; // before somebody else's socket has its turn
constexpr std::size_t listener_buffer_bytes = 16 * 1024 * 1024;
constexpr int sender_buffer_bytes = 4 * 1024 * 1024;

} // namespace

// -- sending ----------------------------------------------------------------------------------------------------------

void datagram_outbox::add(const datagram_head& head, shared_buffer payload, const udp_port::udp::endpoint* to) {
  auto& x = entries_[end_];
  auto bytes = payload ? payload->view() : byte_view{};
  x.head = encode_datagram_head(head, bytes);
  x.parts = {iovec{x.head.data(), x.head.size()}, iovec{const_cast<std::byte*>(bytes.data()), bytes.size()}};
  x.payload = std::move(payload);
  auto& header = headers_[end_++].msg_hdr;
  header = {};
  header.msg_iov = x.parts.data();
  header.msg_iovlen = bytes.empty() ? 1 : 2;
  if (to) {
    x.to = *to;
    header.msg_name = x.to.data();
    header.msg_namelen = static_cast<socklen_t>(x.to.size());
  }
}

std::pair<std::size_t, error_code> datagram_outbox::send(int socket) {
  std::size_t sent = 0;
  while (begin_ < end_) {
    auto count =
      ::sendmmsg(socket, headers_.data() + begin_, static_cast<unsigned>(end_ - begin_), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
      begin_ += static_cast<std::size_t>(count);
      continue;
    }
    error_code failure{errno, boost::system::system_category()};
    if (failure == asio::error::would_block)
      return {sent, failure};
    if (failure == asio::error::connection_refused) {
      clear();
      return {sent, failure};
    }
    if (failure != asio::error::interrupted)
      ++begin_;
  }
  clear();
  return {sent, {}};
}

void datagram_outbox::clear() noexcept {
  for (std::size_t i = 0; i < end_; ++i)
    entries_[i].payload.reset();
  begin_ = end_ = 0;
}

void udp_port::collect(udp_stream& stream, time_point now) {
  for (;;) {
    if (outbox_.is_full())
      flush();
    if (is_blocked_)
      return;
    auto next = stream.next(now);
    if (!next)
      return;
    if (next->is_repeated)
      engine_.datagrams.add(datagram_event::repeated, 1);
    outbox_.add(next->head, std::move(next->payload), is_connected_ ? nullptr : &stream.peer());
  }
}

void udp_port::send(const datagram_head& head, const udp::endpoint& to) {
  if (outbox_.is_full())
    flush();
  if (!is_blocked_)
    outbox_.add(head, {}, is_connected_ ? nullptr : &to);
  flush();
}

void udp_port::flush() {
  if (is_blocked_ || outbox_.is_empty() || !socket_.is_open())
    return;
  auto [sent, failure] = outbox_.send(socket_.native_handle());
  engine_.datagrams.add(datagram_event::sent, sent);
  if (failure == asio::error::would_block)
    await_room();
  else if (failure)
    asio::post(socket_.get_executor(), [self = shared_from_this(), failure = failure] { self->fail_all(failure); });
}

void udp_port::await_room() {
  is_blocked_ = true;
  socket_.async_wait(udp::socket::wait_write, [self = shared_from_this()](const error_code& failure) {
    self->is_blocked_ = false;
    if (failure)
      return;
    for (auto& [key, stream] : self->streams_)
      self->touch(*stream);
    self->settle_touched(datagram_clock::now());
  });
}

// -- opening and closing ----------------------------------------------------------------------------------------------

udp_port::udp_port(network_engine& engine) : engine_{engine}, socket_{engine.io} {}

error_code udp_port::connect(const udp::endpoint& to) {
  error_code failure;
  socket_.open(to.protocol(), failure);
  if (!failure)
    socket_.non_blocking(true, failure);
  if (!failure)
    socket_.connect(to, failure);
  if (failure)
    return failure;
  is_connected_ = true;
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_SNDBUF, &sender_buffer_bytes, sizeof sender_buffer_bytes);
  datagram_bytes_ = std::clamp(path_bytes(socket_).value_or(datagram_limits::usual_bytes), datagram_limits::least_bytes,
    datagram_limits::max_sent_bytes);
  await_input();
  return {};
}

expected<endpoint> udp_port::listen(const endpoint& where, accept_handler on_accept) {
  auto local = bind_udp(socket_, where, listener_buffer_bytes);
  if (!local)
    return local;
  scheme_ = where.scheme;
  is_listening_ = true;
  on_accept_.open(std::make_shared<accept_handler>(std::move(on_accept)));
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->await_input(); });
  return local;
}

void udp_port::stop() {
  on_accept_.shut();
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->is_listening_ = false;
    self->close_if_unused();
  });
}

void udp_port::add(udp_stream& stream) {
  streams_.emplace(key{stream.peer(), stream.connection()}, &stream);
}

void udp_port::remove(udp_stream& stream) {
  if (auto found = streams_.find({stream.peer(), stream.connection()});
      found != streams_.end() && found->second == &stream) {
    if (is_listening_)
      remember(found->first);
    streams_.erase(found);
  }
  close_if_unused();
}

void udp_port::remember(key over) {
  auto now = datagram_clock::now();
  over_.insert(over);
  over_by_age_.emplace_back(now, std::move(over));
  while (over_by_age_.front().first < now - 2 * datagram_tokens::step || over_by_age_.size() > max_accepted) {
    over_.erase(over_by_age_.front().second);
    over_by_age_.pop_front();
  }
}

void udp_port::close_if_unused() {
  if (is_listening_ || !streams_.empty() || !socket_.is_open())
    return;
  if (auto sum = dropped_by_kernel(socket_))
    engine_.datagrams.add(datagram_event::kernel_dropped, *sum - dropped_);
  error_code ignored;
  socket_.close(ignored);
}

void udp_port::fail_all(const error_code& why) {
  for (auto& [key, stream] : streams_) {
    stream->fail(why);
    touch(*stream);
  }
  settle_touched(datagram_clock::now());
}

// -- receiving --------------------------------------------------------------------------------------------------------

void udp_port::await_input() {
  if (!socket_.is_open())
    return;
  socket_.async_wait(udp::socket::wait_read, [self = shared_from_this()](const error_code& failure) {
    if (!failure)
      self->read_on();
  });
}

void udp_port::read_on() {
  for (std::size_t calls = 0; calls < calls_per_turn && socket_.is_open(); ++calls) {
    auto count = engine_.slots.receive(socket_.native_handle());
    if (count < 0 && errno == ECONNREFUSED)
      fail_all(asio::error::connection_refused);
    if (count <= 0)
      break;
    hand_on(static_cast<std::size_t>(count));
    if (static_cast<std::size_t>(count) < datagram_slots::count / 2)
      break;
  }
  await_input();
}

void udp_port::hand_on(std::size_t count) {
  auto now = datagram_clock::now();
  engine_.datagrams.add(datagram_event::received, count);
  std::uint64_t dropped = 0, invalid = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (auto sum = engine_.slots.dropped(i))
      dropped += *sum - std::exchange(dropped_, *sum);
    if (auto came = decode_datagram(engine_.slots.bytes(i)))
      take(*came, engine_.slots.sender(i), now);
    else
      ++invalid;
  }
  engine_.datagrams.add(datagram_event::kernel_dropped, dropped);
  engine_.datagrams.add(datagram_event::invalid, invalid);
  settle_touched(now);
}

void udp_port::take(const datagram& came, const udp::endpoint& from, time_point now) {
  auto found = streams_.find({from, came.head.connection});
  if (found == streams_.end())
    return meet(came, from, now);
  found->second->receive(came, now);
  touch(*found->second);
}

/// Nothing is kept of it unless it has shown to receive at its address, and no answer is longer than it.
void udp_port::meet(const datagram& stranger, const udp::endpoint& from, time_point now) {
  auto& head = stranger.head;
  if (head.kind == datagram_kind::open && is_listening_)
    return send(
      {.kind = datagram_kind::token, .connection = head.connection, .token = tokens_.make(from, head.connection, now)},
      from);
  if (head.kind != datagram_kind::data)
    return;
  auto is_first = head.number == 1 && is_listening_ && streams_.size() < max_accepted;
  if (is_first && tokens_.is_right(head.token, from, head.connection, now) && !over_.contains({from, head.connection}))
    accept(stranger, from, now);
  else
    send({.kind = datagram_kind::close, .connection = head.connection, .token = head.token}, from);
}

void udp_port::accept(const datagram& first, const udp::endpoint& from, time_point now) {
  on_accept_.pass([&](accept_handler& on_accept) {
    auto made = std::make_shared<udp_stream>(engine_, shared_from_this(), from, first.head);
    made->receive(first, now);
    touch(*made);
    on_accept(std::move(made), to_endpoint(scheme_, from.address(), from.port()));
  });
}

void udp_port::touch(udp_stream& stream) {
  if (!std::exchange(stream.is_touched, true))
    touched_.push_back(stream.shared_from_this());
}

void udp_port::settle_touched(time_point now) {
  for (auto& x : std::exchange(touched_, {})) {
    x->is_touched = false;
    x->settle(now);
  }
  flush();
}

} // namespace sluice

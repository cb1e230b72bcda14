#include "tests/support/sim_connection.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

std::size_t wire_bytes(const link_message& message) {
  auto bytes = encode_head(message).size();
  if (auto* data = std::get_if<frame>(&message))
    bytes += data->size();
  return bytes;
}

} // namespace

sim_connection::sim_connection(
  sim_network& net, const std::string& client, const endpoint& server, const link_options& options)
  : net_(net), server_(server), options_(options) {
  sides_[0].host = client;
  sides_[0].name = client;
  sides_[1].host = server.host;
  sides_[1].name = to_string(server);
  if (net_.random_below(100) < net_.options_.slow_percent)
    delay_factor_ = 10;
}

template <class F>
void sim_connection::later(std::chrono::nanoseconds delay, F work) {
  net_.after(delay, [self = shared_from_this(), work] { work(*self); });
}

/// The handler may destroy its link.
template <class F>
void sim_connection::call(int side, F what) {
  if (auto handler = sides_[side].handler)
    what(*handler);
}

std::chrono::nanoseconds sim_connection::delay() {
  return net_.random_delay() * delay_factor_;
}

void sim_connection::start(int side, std::shared_ptr<link_handler> handler) {
  auto& me = sides_[side];
  me.handler = std::move(handler);
  me.started = true;
  if (side == 0) {
    later(delay(), [](auto& self) { self.reach_listener(); });
  } else {
    later(delay(), [](auto& self) { self.open(1); });
    close_later(1, options_.handshake_timeout, errc::timed_out, "no preface in time");
  }
}

void sim_connection::reach_listener() {
  if (sides_[0].closed)
    return;
  if (stalled(0) || stalled(1)) {
    close_later(0, options_.connect_timeout, errc::unreachable, "no connection in time");
    return;
  }
  auto found = net_.listeners_.find(to_string(server_));
  if (found == net_.listeners_.end()) {
    close_later(0, delay(), errc::unreachable, "connection refused");
    return;
  }
  close_later(0, options_.handshake_timeout, errc::timed_out, "no preface in time");
  found->second->accept(shared_from_this());
}

void sim_connection::open(int side) {
  auto& me = sides_[side];
  if (has_ended() || me.closed)
    return;
  if (stalled(1 - side)) {
    later(100ms, [side](auto& self) { self.open(side); });
    return;
  }
  me.open = true;
  net_.note(1 + side);
  call(side, [](link_handler& handler) { handler.on_open(); });
  if (side == 1)
    later(delay(), [](auto& self) { self.open(0); });
  pump(side);
  later(0ns, [side](auto& self) { self.deliver(1 - side); }); // what came too early
}

std::size_t sim_connection::send(int side, link_message message) {
  auto& me = sides_[side];
  auto bytes = wire_bytes(message);
  if (has_ended() || me.closed)
    return bytes;
  me.waiting.push_back({std::move(message), bytes, {}});
  pump(side);
  return bytes;
}

void sim_connection::grant(int side, std::size_t bytes) {
  sides_[side].credit += static_cast<std::int64_t>(bytes);
  later(0ns, [side](auto& self) { self.deliver(1 - side); });
}

void sim_connection::leave(int side) {
  auto& me = sides_[side];
  auto was_open = me.open && !me.closed;
  me.handler.reset();
  me.closed = true;
  if (has_ended())
    return;
  if (!was_open) {
    drop_everything();
    close_later(1 - side, delay(), errc::connection_lost, "the peer has closed the connection");
    return;
  }
  me.waiting.push_back({});
  pump(side);
  later(0ns, [side](auto& self) { self.deliver(1 - side); });
  later(1s, [side](auto& self) {
    auto& waiting = self.sides_[side].waiting;
    if (waiting.size() > 1)
      waiting.erase(waiting.begin(), waiting.end() - 1);
    self.pump(side);
  });
}

/// Moves what fits from the sender into the pipe.
void sim_connection::pump(int from) {
  auto& me = sides_[from];
  while (me.open && !has_ended() && !me.waiting.empty() && me.travelling_bytes < net_.options_.pipe_bytes) {
    auto next = std::move(me.waiting.front());
    me.waiting.pop_front();
    me.travelling_bytes += next.bytes;
    auto now = net_.clock_.now();
    me.last_sent = std::max(me.last_sent, now + delay());
    net_.at(me.last_sent, [self = shared_from_this(), from, bytes = next.bytes] {
      if (!self->has_ended())
        self->call(from, [bytes](link_handler& handler) { handler.on_sent(bytes); });
    });
    auto begin = std::max(me.last_arrival, me.last_sent + delay());
    next.arrival = me.last_arrival = begin + net_.transfer_time(me.host, sides_[1 - from].host, next.bytes);
    net_.at(next.arrival, [self = shared_from_this(), from] { self->deliver(from); });
    if (next.arrival > begin + options_.message_timeout)
      net_.at(begin + options_.message_timeout,
        [self = shared_from_this(), from, arrival = next.arrival] { self->miss_deadline(1 - from, arrival); });
    me.travelling.push_back(std::move(next));
  }
}

/// Hands on what has arrived and has credit.
void sim_connection::deliver(int from) {
  auto& me = sides_[from];
  auto& to = sides_[1 - from];
  while (!broken_ && !stalled(from) && !me.travelling.empty() && me.travelling.front().arrival <= net_.clock_.now()) {
    auto& next = me.travelling.front();
    if (!to.closed && (!to.open || (next.message && to.credit <= 0)))
      return;
    auto arrived = std::move(next);
    me.travelling.pop_front();
    me.travelling_bytes -= arrived.bytes;
    if (!arrived.message) {
      close(1 - from, errc::connection_lost, "the peer has closed the connection");
      drop_everything();
      return;
    }
    if (!to.closed) {
      auto credit = message_credit(arrived.bytes);
      to.credit -= static_cast<std::int64_t>(credit);
      ++net_.delivered_;
      net_.note(arrived.bytes << 8 | static_cast<unsigned>(from) << 4 | arrived.message->index());
      call(1 - from, [&](link_handler& handler) { handler.on_message(std::move(*arrived.message), credit); });
    }
    pump(from);
  }
}

void sim_connection::close(int side, errc code, std::string_view why) {
  auto& me = sides_[side];
  if (me.closed)
    return;
  me.closed = true;
  net_.note(0x10000 + static_cast<unsigned>(code));
  if (auto handler = std::exchange(me.handler, nullptr))
    handler->on_closed({code, fmt::format("{}: {}", peer_of(side), why)});
}

/// A deadline for a side that is not open by then, or the late news of the end.
void sim_connection::close_later(int side, std::chrono::nanoseconds delay, errc code, std::string_view why) {
  later(delay, [side, code, why](auto& self) {
    if (!self.has_ended() && self.sides_[side].open)
      return;
    self.close(side, code, why);
    if (!self.has_ended()) {
      self.drop_everything();
      self.close_later(1 - side, self.delay(), errc::connection_lost, "the peer has closed the connection");
    }
  });
}

void sim_connection::drop_everything() {
  broken_ = true;
  for (auto& side : sides_) {
    side.waiting.clear();
    side.travelling.clear();
  }
}

/// Loses what `from` has sent from some byte on.
void sim_connection::cut(int from) {
  auto& me = sides_[from];
  cut_ = true;
  me.waiting.clear();
  auto left = net_.random_below(me.travelling_bytes + 1);
  auto lost = std::find_if(me.travelling.begin(), me.travelling.end(), [&](auto& x) {
    auto is_whole = x.bytes <= left;
    left -= is_whole ? x.bytes : 0;
    return !is_whole;
  });
  me.travelling.erase(lost, me.travelling.end());
}

void sim_connection::break_off() {
  for (auto side : {0, 1}) {
    cut(side);
    close_later(side, stalled(1 - side) ? options_.silence_timeout : net_.random_scale(2s), errc::connection_lost,
      "connection reset by peer");
  }
}

void sim_connection::die(int side) {
  auto was_open = sides_[side].open && !has_ended();
  close(side, errc::connection_lost, "the host is down");
  if (was_open && net_.random_below(3) == 0) {
    // The kernel outlives the process and still sends what it has.
    sides_[side].waiting.clear();
    sides_[side].waiting.push_back({});
    pump(side);
    return;
  }
  cut(side);
  auto is_noticed = !stalled(side) && net_.random_below(2) == 0;
  close_later(1 - side, is_noticed ? delay() : options_.silence_timeout, errc::connection_lost,
    is_noticed ? "connection reset by peer" : "the peer has been silent");
}

/// A message could not be read in time.
void sim_connection::miss_deadline(int side, caf::actor_clock::time_point arrival) {
  auto& coming = sides_[1 - side].travelling;
  if (has_ended() || sides_[side].closed || coming.empty() || coming.front().arrival != arrival)
    return;
  drop_everything();
  close(side, errc::timed_out, "a message was not complete in time");
  close_later(1 - side, delay(), errc::connection_lost, "the peer has closed the connection");
}

void sim_connection::fall_silent(int side) {
  if (has_ended() || sides_[side].closed)
    return;
  if (sides_[side].credit <= 0)
    return watch_silence(side);
  drop_everything();
  close(side, errc::timed_out, "the peer has been silent");
  close_later(
    1 - side, stalled(side) ? options_.silence_timeout : delay(), errc::connection_lost, "connection reset by peer");
}

void sim_connection::watch_silence() {
  for (auto side : {0, 1})
    if (stalled(1 - side) && sides_[side].open)
      watch_silence(side);
}

void sim_connection::watch_silence(int side) {
  later(options_.silence_timeout + delay(), [side, since = net_.stall_count_](auto& self) {
    if (since == self.net_.stall_count_)
      self.fall_silent(side);
  });
}

void sim_connection::go_on() {
  for (auto side : {0, 1})
    later(delay(), [side](auto& self) { self.deliver(side); });
}

} // namespace sluice::test

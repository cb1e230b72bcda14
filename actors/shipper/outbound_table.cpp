#include "actors/shipper/outbound_table.hpp"

#include <algorithm>

namespace sluice {

std::pair<outbound_stream&, bool> outbound_table::add(const stream_id& id) {
  auto [at, is_new] = streams_.try_emplace(id, outbound_stream{id, stream_window{epoch_}});
  return {at->second, is_new};
}

outbound_stream* outbound_table::find(const stream_id& id) {
  auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

void outbound_table::forget(outbound_stream& x, time_point now) {
  std::erase(sendable_, &x);
  watch_.change(x.owed, 0, now);
  streams_.erase(streams_.find(x.id));
}

void outbound_table::disconnect() {
  is_connected_ = false;
  sendable_.clear();
  watch_.reset();
  for (auto& [id, x] : streams_) {
    x.greeted = x.sendable = false;
    x.owed = 0;
  }
}

void outbound_table::greet(outbound_stream& x, time_point now) {
  x.greeted = false;
  recount(x, now);
}

bool outbound_table::offer(outbound_stream& x) {
  if (!x.greeted || x.sendable || !x.window.unsent())
    return false;
  x.sendable = true;
  sendable_.push_back(&x);
  return true;
}

outbound_stream* outbound_table::take_sendable() {
  while (!sendable_.empty()) {
    auto* next = sendable_.front();
    sendable_.pop_front();
    next->sendable = false;
    if (next->greeted && next->window.unsent())
      return next;
  }
  return nullptr;
}

void outbound_table::mark_sent(outbound_stream& x, time_point now) {
  x.window.mark_sent(now);
  recount(x, now);
}

std::optional<outbound_table::time_point> outbound_table::owed_since() const noexcept {
  return watch_.is_owed() ? std::optional{watch_.last_move()} : std::nullopt;
}

bool outbound_table::push(outbound_stream& x, const frame& made) {
  if (!x.window.push(made))
    return false;
  held_.add(made.header());
  x.end.reset();
  return true;
}

void outbound_table::settle(outbound_stream& x, const stream_window::change& changed, time_point now) {
  recount(x, now);
  held_.frames -= changed.acked.frames + changed.discarded.frames;
  held_.records -= changed.acked.records + changed.discarded.records;
  held_.bytes -= changed.acked.bytes + changed.discarded.bytes;
  if (changed.acked.frames > 0)
    watch_.moved(now);
}

std::size_t outbound_table::holding() const {
  return std::ranges::count_if(streams_, [](auto& entry) { return entry.second.window.held().frames > 0; });
}

bool outbound_table::all_done() const {
  return std::ranges::all_of(streams_, [](auto& entry) { return entry.second.is_done(); });
}

/// How many answers the receiver owes for the stream.
void outbound_table::recount(outbound_stream& x, time_point now) {
  if (!is_connected_)
    return;
  auto before = std::exchange(x.owed, x.window.carried() + (x.greeted ? 0 : 1));
  watch_.change(before, x.owed, now);
}

} // namespace sluice

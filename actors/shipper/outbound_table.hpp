#pragma once

#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "actors/shipper/answer_watch.hpp"
#include "actors/shipper/outbound_stream.hpp"

namespace sluice {

/// All streams of a shipper: what they hold together, which of them have something to send, and what the receiver owes
/// answers to. Plain bookkeeping; not thread-safe. Streams keep their addresses until they are forgotten.
class outbound_table {
public:
  using time_point = answer_watch::time_point;

  /// `epoch` is the agent's own.
  explicit outbound_table(std::uint64_t epoch) : epoch_(epoch) {}

  /// The stream, and whether it is new.
  std::pair<outbound_stream&, bool> add(const stream_id& id);

  /// nullptr if it is not known, or not any more.
  outbound_stream* find(const stream_id& id);

  /// Only a stream that holds nothing.
  void forget(outbound_stream& x, time_point now);

  auto begin() { return streams_.begin(); }
  auto end() { return streams_.end(); }
  std::size_t size() const noexcept { return streams_.size(); }

  // -- the connection -----------------------------------------------------------

  void connect() noexcept { is_connected_ = true; }

  /// Nothing is greeted, to be sent or owed any more.
  void disconnect();

  /// A greeting goes to the receiver, which owes an answer to it.
  void greet(outbound_stream& x, time_point now);

  /// The stream stands in the queue if it has something to send. Returns whether it has not stood there before.
  bool offer(outbound_stream& x);

  /// The stream that has waited longest to send; nullptr if none has something to send.
  outbound_stream* take_sendable();

  /// The connection carries the first frame of the stream that it has not carried.
  void mark_sent(outbound_stream& x, time_point now);

  /// The receiver has answered, or the link has taken something.
  void moved(time_point now) noexcept { watch_.moved(now); }

  /// Since when nothing has moved while the receiver owes an answer; nothing if it owes none.
  std::optional<time_point> owed_since() const noexcept;

  // -- what is held -------------------------------------------------------------

  /// Takes the next frame of the stream as its window does.
  bool push(outbound_stream& x, const frame& made);

  /// The window of the stream has changed.
  void settle(outbound_stream& x, const stream_window::change& changed, time_point now);

  const stream_window::content& held() const noexcept { return held_; }
  std::size_t holding() const; ///< Streams that hold something.
  bool all_done() const;       ///< Whether all streams have ended and are acknowledged.

private:
  void recount(outbound_stream& x, time_point now);

  std::uint64_t epoch_;
  std::unordered_map<stream_id, outbound_stream> streams_;
  std::deque<outbound_stream*> sendable_; ///< Longest waiting first.
  stream_window::content held_;
  answer_watch watch_;
  bool is_connected_ = false;
};

} // namespace sluice

#include "transport/datagram_channel.hpp"

namespace sluice {

std::optional<datagram_receiver::verdict> datagram_channel::take(const datagram& came, time_point now) {
  auto& head = came.head;
  if (head.connection != connection_ || head.token != token_)
    return std::nullopt;
  last_heard_ = now;
  if (head.kind == datagram_kind::close)
    is_closed_ = true;
  if (head.kind == datagram_kind::data || head.kind == datagram_kind::ack || head.kind == datagram_kind::close)
    out_.acknowledge(head.acked, head.selective, head.limit_bytes, now);
  owes_ack_ = owes_ack_ || head.asks || head.kind == datagram_kind::data;
  if (head.kind != datagram_kind::data)
    return std::nullopt;
  return in_.receive(head.number, came.payload, head.last);
}

std::size_t datagram_channel::read(std::span<std::byte> into) {
  auto bytes = in_.read(into);
  if (in_.limit_bytes() - told_limit_bytes_ > datagram_receiver::default_room_bytes / 2)
    owes_ack_ = true;
  return bytes;
}

datagram_head datagram_channel::head_of(datagram_kind kind) const noexcept {
  return {.kind = kind,
    .connection = connection_,
    .token = token_,
    .acked = in_.acked(),
    .selective = in_.selective(),
    .limit_bytes = in_.limit_bytes()};
}

std::optional<datagram_channel::outgoing> datagram_channel::next(time_point now) {
  std::optional<outgoing> made;
  if (auto data = out_.next(now)) {
    made = outgoing{head_of(datagram_kind::data), std::move(data->payload), data->is_repeated};
    made->head.number = data->number;
    made->head.last = data->is_last;
  } else if (auto asks = out_.take_question(); asks || owes_ack_) {
    made = outgoing{head_of(datagram_kind::ack), {}};
    made->head.asks = asks;
  }
  if (made) {
    owes_ack_ = false;
    told_limit_bytes_ = made->head.limit_bytes;
  }
  return made;
}

} // namespace sluice

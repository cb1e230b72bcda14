#include "transport/datagram_sender.hpp"

#include "messages/datagram.hpp"
#include "transport/datagram_receiver.hpp"

namespace sluice {

namespace {

using datagram_limits::head_bytes;

constexpr std::uint64_t overtaking = 3; // transmissions by which one may come late

} // namespace

datagram_sender::datagram_sender(std::size_t datagram_bytes)
  : datagram_bytes_{datagram_bytes}, window_{datagram_bytes}, limit_bytes_{datagram_receiver::default_room_bytes} {}

// -- what is to be sent -----------------------------------------------------------------------------------------------

std::size_t datagram_sender::push(byte_view part) {
  std::size_t taken = 0;
  while (taken < part.size() && has_room() && !has_ended_) {
    auto& to = open_datagram(part.size() - taken);
    auto bytes = std::min(part.size() - taken, datagram_bytes_ - to.bytes);
    to.payload->append(part.subspan(taken, bytes));
    to.bytes += bytes;
    held_bytes_ += bytes;
    taken += bytes;
  }
  return taken;
}

/// One with room for the beginning of the part at least, and for all of it, if one can have that.
datagram_sender::outgoing& datagram_sender::open_datagram(std::size_t part_bytes) {
  if (has_unsent()) {
    auto& latest = queue_.back();
    auto room = datagram_bytes_ - latest.bytes;
    if (part_bytes <= room || (room > 0 && part_bytes > datagram_bytes_ - head_bytes))
      return latest;
  }
  auto& made = add();
  made.payload->reserve(std::min(part_bytes, datagram_bytes_ - head_bytes));
  return made;
}

datagram_sender::outgoing& datagram_sender::add() {
  auto& made = queue_.emplace_back(first_ + queue_.size());
  made.bytes = head_bytes;
  held_bytes_ += head_bytes;
  return made;
}

void datagram_sender::end() {
  if (std::exchange(has_ended_, true))
    return;
  (has_unsent() ? queue_.back() : add()).is_last = true;
}

bool datagram_sender::fits_window(const outgoing& x) const noexcept {
  return on_their_way_bytes_ == 0 || on_their_way_bytes_ + x.bytes <= window_.bytes();
}

bool datagram_sender::may_send_new() const noexcept {
  return has_unsent() && unsent_ < datagram_receiver::max_ahead && sent_bytes_ + queue_[unsent_].bytes <= limit_bytes_;
}

datagram_sender::outgoing* datagram_sender::find_lost() noexcept {
  if (lost_ == 0)
    return nullptr;
  return &*std::ranges::find(queue_, state::lost, &outgoing::at);
}

std::optional<datagram_sender::transmission> datagram_sender::next(time_point now) {
  if (on_their_way_bytes_ == 0 && latest_sent_at_ < now - times_.timeout(0))
    window_.rest();
  if (auto* lost = find_lost()) {
    if (!std::exchange(repeats_at_once_, false) && !fits_window(*lost))
      return std::nullopt;
    --lost_;
    return send(*lost, now);
  }
  if (!may_send_new()) {
    wait_for_limit(now);
    return std::nullopt;
  }
  auto& fresh = queue_[unsent_];
  if (!fits_window(fresh))
    return std::nullopt;
  ++unsent_;
  sent_bytes_ += fresh.bytes;
  question_at_ = time_point::max();
  return send(fresh, now);
}

datagram_sender::transmission datagram_sender::send(outgoing& x, time_point now) {
  if (on_their_way_bytes_ == 0)
    timer_from_ = now;
  on_their_way_bytes_ += x.bytes;
  x.at = state::on_its_way;
  x.order = next_order_++;
  x.sent_at = latest_sent_at_ = now;
  auto is_repeated = x.times++ > 0;
  return {x.number, x.is_last, is_repeated, x.payload};
}

// -- what has come ----------------------------------------------------------------------------------------------------

bool datagram_sender::acknowledge(
  std::uint64_t acked, std::uint64_t selective, std::uint64_t limit_bytes, time_point now) {
  auto behind_sent = first_ + unsent_;
  if (acked >= behind_sent)
    return false;
  limit_bytes_ = std::max(limit_bytes_, limit_bytes);
  auto is_used = on_their_way_bytes_ + datagram_bytes_ > window_.bytes();
  std::size_t newly_acked = 0;
  for (auto number = first_; number <= acked; ++number)
    newly_acked += settle(queue_[number - first_], now);
  for (auto number = acked + 2; selective != 0 && number < behind_sent; ++number, selective >>= 1)
    if ((selective & 1) != 0 && number >= first_)
      newly_acked += settle(queue_[number - first_], now);
  if (newly_acked > 0) {
    timeouts_ = 0;
    timer_from_ = now;
    if (is_used && acked_order_ >= recovery_order_)
      window_.grow(newly_acked);
    drop_acked();
  }
  find_losses(now);
  return true;
}

/// Returns how many bytes have come that were not known to.
std::size_t datagram_sender::settle(outgoing& x, time_point now) {
  if (x.at == state::acked)
    return 0;
  if (x.at == state::lost)
    --lost_;
  else
    on_their_way_bytes_ -= x.bytes;
  if (x.times == 1)
    times_.sample(now - x.sent_at);
  acked_order_ = std::max(acked_order_, x.order);
  x.at = state::acked;
  x.payload.reset();
  held_bytes_ -= x.bytes;
  return x.bytes;
}

void datagram_sender::drop_acked() {
  while (!queue_.empty() && queue_.front().at == state::acked) {
    queue_.pop_front();
    ++first_;
    --unsent_;
  }
}

// -- what is lost -----------------------------------------------------------------------------------------------------

void datagram_sender::give_up(outgoing& x) noexcept {
  x.at = state::lost;
  ++lost_;
  on_their_way_bytes_ -= x.bytes;
}

void datagram_sender::find_losses(time_point now) {
  auto before = on_their_way_bytes_;
  auto latest = std::uint64_t{0};
  loss_at_ = time_point::max();
  for (std::size_t i = 0; i < unsent_; ++i) {
    auto& x = queue_[i];
    if (x.at != state::on_its_way || x.order >= acked_order_)
      continue;
    auto at = x.sent_at + times_.patience();
    if (x.order + overtaking > acked_order_ && at > now) {
      loss_at_ = std::min(loss_at_, at);
      continue;
    }
    latest = std::max(latest, x.order);
    give_up(x);
  }
  if (latest == 0 || latest < recovery_order_)
    return;
  window_.halve(before);
  repeats_at_once_ = true;
  recovery_order_ = next_order_;
}

void datagram_sender::expire(time_point now) {
  if (now >= loss_at_)
    find_losses(now);
  if (now >= question_at_) {
    asks_ = true;
    question_at_ = now + question_interval;
  }
  if (on_their_way_bytes_ == 0 || now < timer_from_ + times_.timeout(timeouts_))
    return;
  window_.collapse(on_their_way_bytes_, timeouts_ == 0);
  for (std::size_t i = 0; i < unsent_; ++i)
    if (queue_[i].at == state::on_its_way)
      give_up(queue_[i]);
  loss_at_ = time_point::max();
  recovery_order_ = next_order_;
  ++timeouts_;
}

/// Nothing that comes back by itself would tell of a limit whose datagram was lost.
void datagram_sender::wait_for_limit(time_point now) noexcept {
  if (!has_unsent() || on_their_way_bytes_ > 0)
    question_at_ = time_point::max();
  else if (question_at_ == time_point::max())
    question_at_ = now + question_interval;
}

datagram_sender::time_point datagram_sender::next_timeout() const noexcept {
  auto at = std::min(loss_at_, question_at_);
  return on_their_way_bytes_ == 0 ? at : std::min(at, timer_from_ + times_.timeout(timeouts_));
}

} // namespace sluice

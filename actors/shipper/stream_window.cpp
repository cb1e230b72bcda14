#include "actors/shipper/stream_window.hpp"

#include <utility>

namespace sluice {

void stream_window::content::add(const frame_header& x) noexcept {
  ++frames;
  records += x.stored_records();
  bytes += x.source_bytes();
}

void stream_window::content::remove(const frame_header& x) noexcept {
  --frames;
  records -= x.stored_records();
  bytes -= x.source_bytes();
}

bool stream_window::follows(const frame_header& next) const noexcept {
  auto sequence = next.epoch == newest_.epoch ? newest_.sequence + 1 : 1;
  return next.epoch >= newest_.epoch && next.sequence == sequence && next.position_begin == newest_.position;
}

bool stream_window::push(frame next) {
  auto& header = next.header();
  if (!in_step_ || restarting_ || !follows(header))
    return false;
  newest_ = header.end_point();
  held_.add(header);
  frames_.push_back({std::move(next)});
  return true;
}

const frame* stream_window::unsent() const noexcept {
  return sent_ < frames_.size() ? &frames_[sent_].data : nullptr;
}

void stream_window::mark_sent(time_point now) noexcept {
  auto& sent = frames_[sent_++];
  if (!sent.sent_first)
    sent.sent_first = now;
}

stream_window::change stream_window::acknowledge(const stream_point& last) {
  change made;
  auto covers = [&last](const frame_header& x) { return x.end_point() <= last && x.position_end <= last.position; };
  while (!frames_.empty() && covers(frames_.front().data.header())) {
    auto& first = frames_.front().data.header();
    made.acked.add(first);
    held_.remove(first);
    acked_ = first.end_point();
    if (frames_.front().sent_first)
      made.sent_first.push_back(*frames_.front().sent_first);
    frames_.pop_front();
    if (sent_ > 0)
      --sent_;
  }
  if (acked_ < last) {
    made.discarded = clear();
    in_step_ = false;
  }
  return made;
}

stream_window::resumption stream_window::resume(const stream_point& durable, change& changed) {
  if (durable.epoch > epoch_)
    return resumption::fenced;
  if (in_step_ && durable >= acked_) {
    changed = acknowledge(durable);
    sent_ = 0;
    if (in_step_)
      return resumption::resend;
  }
  auto discarded = clear();
  if (discarded.frames > 0)
    changed.discarded = discarded;
  in_step_ = restarting_ = true;
  acked_ = newest_ = durable;
  return resumption::start_over;
}

stream_window::restart_result stream_window::restart(const stream_point& from, change& changed) {
  auto begins_epoch = from.epoch > acked_.epoch && from.sequence == 0;
  auto joins = from == acked_ || (begins_epoch && from.position == acked_.position);
  if (!joins && restarting_)
    return restart_result::outdated;
  changed.discarded = clear();
  newest_ = joins ? from : acked_;
  restarting_ = !joins;
  return joins ? restart_result::follows : restart_result::elsewhere;
}

stream_window::content stream_window::clear() noexcept {
  frames_.clear();
  sent_ = 0;
  return std::exchange(held_, {});
}

} // namespace sluice

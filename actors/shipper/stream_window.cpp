#include "actors/shipper/stream_window.hpp"

#include <utility>

namespace sluice {

namespace {

/// Where a stream stands of which nothing is durable yet.
stream_point known(const stream_point& last) {
  return last.epoch == 0 ? stream_point{1, 0, 0} : last;
}

} // namespace

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
  if (next.epoch > newest_.epoch)
    return next.sequence == 1 && frames_.empty();
  return next.epoch == newest_.epoch && next.sequence == newest_.sequence + 1 &&
         next.position_begin == newest_.position;
}

bool stream_window::push(frame next) {
  auto& header = next.header();
  if (!in_step_ || restarting_ || !follows(header))
    return false;
  if (header.epoch > newest_.epoch)
    acked_ = {header.epoch, 0, header.position_begin};
  newest_ = header.end_point();
  held_.add(header);
  frames_.push_back(std::move(next));
  return true;
}

const frame* stream_window::unsent() const noexcept {
  return sent_ < frames_.size() ? &frames_[sent_] : nullptr;
}

stream_window::change stream_window::acknowledge(const stream_point& last) {
  change made;
  while (!frames_.empty() && frames_.front().header().end_point() <= last) {
    auto& first = frames_.front().header();
    made.acked.add(first);
    held_.remove(first);
    acked_ = first.end_point();
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
  auto last = known(durable);
  if (in_step_ && last.epoch > newest_.epoch)
    return resumption::fenced;
  auto before_this_epoch = last.epoch < newest_.epoch && acked_.sequence == 0;
  if (in_step_ && (before_this_epoch || last >= acked_)) {
    changed = acknowledge(last);
    sent_ = 0;
    if (in_step_)
      return resumption::resend;
  }
  auto discarded = clear();
  if (discarded.frames > 0)
    changed.discarded = discarded;
  in_step_ = restarting_ = true;
  acked_ = newest_ = last;
  return resumption::start_over;
}

stream_window::change stream_window::restart(const stream_point& from) {
  auto last = known(from);
  change made;
  auto is_outdated = restarting_ && last.epoch == acked_.epoch && last != acked_;
  if (is_outdated)
    return made;
  made.discarded = clear();
  acked_ = newest_ = last;
  restarting_ = false;
  return made;
}

stream_window::content stream_window::clear() noexcept {
  frames_.clear();
  sent_ = 0;
  return std::exchange(held_, {});
}

} // namespace sluice

#include "actors/source/pipe_content.hpp"

#include <algorithm>
#include <limits>

namespace sluice {

std::uint64_t pipe_content::end() const noexcept {
  auto end = begin_ + text_bytes();
  for (auto& x : dropped_)
    end += x.end - x.begin;
  return end;
}

std::size_t pipe_content::unread_bytes() const noexcept {
  return text_.size() - offset_of(given_);
}

std::string pipe_content::take_open_line() {
  auto from = std::max(begin_, given_);
  if (!dropped_.empty())
    from = std::max(from, dropped_.back().end);
  auto unread = std::string_view{text_}.substr(offset_of(from));
  auto line = std::string{unread.substr(unread.rfind('\n') + 1)};
  text_.resize(text_.size() - line.size());
  return line;
}

void pipe_content::drop(
  std::string_view kept, std::string_view reason, std::uint32_t records, std::uint64_t bytes, timestamp now) {
  auto joins = joins_last(reason, records);
  text_ += kept;
  if (joins) {
    auto& last = dropped_.back();
    last.begin += kept.size();
    last.end += kept.size() + bytes;
    last.records += records;
    last.last_time = now;
  } else if (records > 0) {
    dropped_.push_back({reason, records, end(), end() + bytes, now, now});
  }
}

bool pipe_content::joins_last(std::string_view reason, std::uint32_t records) const noexcept {
  if (dropped_.empty())
    return false;
  auto& last = dropped_.back();
  return last.end == end() && last.begin >= given_ && last.reason == reason &&
         records <= std::numeric_limits<std::uint32_t>::max() - last.records;
}

std::string_view pipe_content::text_at(std::uint64_t position) const noexcept {
  auto next = std::ranges::find_if(dropped_, [position](auto& x) { return x.end > position; });
  auto from = offset_of(position);
  auto until = next == dropped_.end() ? text_.size() : offset_of(next->begin);
  return std::string_view{text_}.substr(from, until - from);
}

const dropped_records* pipe_content::dropped_at(std::uint64_t position) const noexcept {
  auto found = std::ranges::find(dropped_, position, &dropped_records::begin);
  return found == dropped_.end() ? nullptr : &*found;
}

void pipe_content::give(std::uint64_t position) noexcept {
  given_ = std::max(given_, position);
}

void pipe_content::forget(std::uint64_t position) {
  if (position <= begin_)
    return;
  forgotten_ = offset_of(position);
  while (!dropped_.empty() && dropped_.front().end <= position)
    dropped_.pop_front();
  begin_ = position;
  if (forgotten_ > text_.size() / 2) {
    text_.erase(0, forgotten_);
    forgotten_ = 0;
  }
}

std::size_t pipe_content::offset_of(std::uint64_t position) const noexcept {
  auto offset = forgotten_ + (std::max(position, begin_) - begin_);
  for (auto& x : dropped_)
    if (x.begin < position)
      offset -= std::min(position, x.end) - x.begin;
  return offset;
}

} // namespace sluice

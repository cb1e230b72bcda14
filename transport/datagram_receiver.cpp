#include "transport/datagram_receiver.hpp"

#include <algorithm>

#include "messages/datagram.hpp"

namespace sluice {

bool datagram_receiver::has(std::uint64_t number) const noexcept {
  return number < first_ || (number - first_ < slots_.size() && slots_[number - first_]);
}

datagram_receiver::verdict datagram_receiver::receive(std::uint64_t number, byte_view payload, bool is_last) {
  auto bytes = payload.size() + datagram_limits::head_bytes;
  if (number <= acked_ || has(number))
    return verdict::duplicate;
  auto contradicts_last = last_ != 0 ? number > last_ || is_last : is_last && number < highest_;
  if (number - acked_ > max_ahead || held_bytes_ + bytes > room_bytes_ || contradicts_last)
    return verdict::refused;
  if (number > highest_ + 1)
    gaps_ += number - highest_ - 1;
  highest_ = std::max(highest_, number);
  if (is_last)
    last_ = number;
  if (slots_.size() <= number - first_)
    slots_.resize(number - first_ + 1);
  slot_of(number).emplace().append(payload);
  held_bytes_ += bytes;
  advance();
  return verdict::taken;
}

/// Over all that is in order now.
void datagram_receiver::advance() {
  while (has(acked_ + 1))
    available_ += slot_of(++acked_)->size();
}

std::size_t datagram_receiver::read(std::span<std::byte> into) {
  std::size_t filled = 0;
  while (first_ <= acked_) {
    auto left = slots_.front()->view().subspan(offset_);
    auto part = left.first(std::min(left.size(), into.size() - filled));
    std::ranges::copy(part, into.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += part.size();
    offset_ += part.size();
    if (part.size() < left.size())
      break;
    auto bytes = offset_ + datagram_limits::head_bytes;
    held_bytes_ -= bytes;
    read_bytes_ += bytes;
    offset_ = 0;
    slots_.pop_front();
    ++first_;
  }
  available_ -= filled;
  return filled;
}

std::uint64_t datagram_receiver::selective() const noexcept {
  std::uint64_t bits = 0;
  for (std::uint64_t i = 0, number = acked_ + 2; i < 64 && number <= highest_; ++i, ++number)
    if (has(number))
      bits |= std::uint64_t{1} << i;
  return bits;
}

} // namespace sluice

#include "actors/intake/submission_ring.hpp"

#include <algorithm>
#include <bit>

namespace sluice {

namespace {

/// Entries begin at multiples of this, so that there is room for `entry_bytes` before the end wherever one ends.
constexpr std::size_t alignment = 8;

/// What stands before the attributes' lengths, their texts, and the body.
struct entry_head {
  std::uint32_t entry_bytes; ///< Of all; 0: the next entry is at the beginning of the ring.
  std::uint32_t body_bytes;
  std::int64_t time;
  std::uint32_t attributes;
  std::uint8_t level; ///< `no_level` if there is none.
};

struct attribute_head {
  std::uint32_t key_bytes, value_bytes;
};

constexpr std::uint8_t no_level = 0xff;

char* put(char* to, const void* from, std::size_t bytes) noexcept {
  if (bytes > 0)
    std::memcpy(to, from, bytes);
  return to + bytes;
}

template <class T>
T get(const char* from) noexcept {
  T x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

} // namespace

submission_ring::submission_ring(std::size_t bytes)
  : capacity_(std::bit_ceil(std::clamp(bytes, least_bytes, most_bytes))), bytes_(new char[capacity_]) {}

std::size_t submission_ring::bytes_of(const record& x) noexcept {
  auto bytes = sizeof(entry_head) + x.body.size();
  for (auto& [key, value] : x.attributes)
    bytes += sizeof(attribute_head) + key.size() + value.size();
  return (bytes + alignment - 1) / alignment * alignment;
}

bool submission_ring::push(const record& x, std::size_t bytes) noexcept {
  auto head = head_.load(std::memory_order_relaxed);
  auto at = head % capacity_;
  auto skipped = capacity_ - at < bytes ? capacity_ - at : 0;
  if (auto end = head + skipped + bytes; end - known_tail_ > capacity_) {
    known_tail_ = tail_.load();
    if (end - known_tail_ > capacity_)
      return false;
  }
  if (skipped > 0) {
    std::memset(bytes_.get() + at, 0, sizeof(entry_head::entry_bytes));
    at = 0;
  }
  entry_head entry{static_cast<std::uint32_t>(bytes), static_cast<std::uint32_t>(x.body.size()),
    x.time->time_since_epoch().count(), static_cast<std::uint32_t>(x.attributes.size()),
    x.level ? static_cast<std::uint8_t>(*x.level) : no_level};
  auto* to = put(bytes_.get() + at, &entry, sizeof entry);
  for (auto& [key, value] : x.attributes) {
    attribute_head sizes{static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size())};
    to = put(to, &sizes, sizeof sizes);
  }
  for (auto& [key, value] : x.attributes) {
    to = put(to, key.data(), key.size());
    to = put(to, value.data(), value.size());
  }
  put(to, x.body.data(), x.body.size());
  head_.store(head + skipped + bytes);
  return true;
}

/// Returns how long the entry is; 0 if there is none before the end of the ring.
std::size_t submission_ring::read(std::uint64_t at, record_view& view) const {
  auto* from = bytes_.get() + at % capacity_;
  if (get<std::uint32_t>(from) == 0)
    return 0;
  auto entry = get<entry_head>(from);
  auto* sizes = from + sizeof entry;
  auto* text = sizes + entry.attributes * sizeof(attribute_head);
  view.time = timestamp{timestamp::duration{entry.time}};
  view.level = entry.level == no_level ? std::nullopt : std::optional{static_cast<severity>(entry.level)};
  view.attributes.clear();
  for (std::uint32_t i = 0; i < entry.attributes; ++i, sizes += sizeof(attribute_head)) {
    auto [key_bytes, value_bytes] = get<attribute_head>(sizes);
    view.attributes.emplace_back(std::string_view{text, key_bytes}, std::string_view{text + key_bytes, value_bytes});
    text += key_bytes + value_bytes;
  }
  view.body = {text, entry.body_bytes};
  return entry.entry_bytes;
}

} // namespace sluice

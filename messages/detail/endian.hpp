#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "messages/stream.hpp"

/// Little-endian integers and the few compound fields that frames, link messages and segments share.

namespace sluice::detail {

template <std::integral T>
T load_le(const std::byte* from) noexcept {
  static_assert(std::endian::native == std::endian::little, "port load_le and store_le");
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <std::integral T>
void store_le(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

constexpr std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>((value >> 1) ^ (0 - (value & 1)));
}

/// Takes fields from the front of a block of bytes. It never reads beyond the end: the first read that
/// cannot be satisfied sets `failure`, and from then on every read gives zero or nothing. So a whole layout can be
/// read in a row and checked once.
class byte_reader {
public:
  explicit byte_reader(byte_view bytes = {}) noexcept : left_(bytes) {}

  bool ok() const noexcept { return failure_ == errc::none; }

  /// none, truncated, or malformed (a varint that breaks the rules).
  errc failure() const noexcept { return failure_; }

  /// What was not read yet; nothing after a failure.
  byte_view rest() const noexcept { return left_; }
  std::size_t remaining() const noexcept { return left_.size(); }

  template <std::integral T>
  T integer() noexcept {
    auto from = bytes(sizeof(T));
    return ok() ? load_le<T>(from.data()) : T{};
  }

  std::uint8_t u8() noexcept { return integer<std::uint8_t>(); }
  std::uint16_t u16() noexcept { return integer<std::uint16_t>(); }
  std::uint32_t u32() noexcept { return integer<std::uint32_t>(); }
  std::uint64_t u64() noexcept { return integer<std::uint64_t>(); }

  /// LEB128, at most ten bytes, without superfluous zero groups.
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      auto group = u8();
      if (!ok())
        return 0;
      auto overflows = shift == 63 && group > 1;
      auto superfluous = shift > 0 && group == 0;
      if (overflows || superfluous)
        break;
      value |= std::uint64_t{group & 0x7fu} << shift;
      if (group < 0x80)
        return value;
    }
    fail(errc::malformed);
    return 0;
  }

  byte_view bytes(std::size_t count) noexcept {
    if (count > left_.size())
      fail(errc::truncated);
    if (!ok())
      return {};
    auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }

  std::string_view text(std::size_t count) noexcept { return as_text(bytes(count)); }

  timestamp time() noexcept { return timestamp{std::chrono::nanoseconds{integer<std::int64_t>()}}; }

  id128 id() noexcept {
    id128 result{};
    auto from = bytes(result.size());
    if (ok())
      std::memcpy(result.data(), from.data(), result.size());
    return result;
  }

  // Braced initialisers are evaluated from left to right.
  stream_id stream() noexcept { return {id(), id()}; }
  stream_point point() noexcept { return {u64(), u64(), u64()}; }

private:
  void fail(errc code) noexcept {
    if (ok())
      failure_ = code;
    left_ = {};
  }

  byte_view left_;
  errc failure_ = errc::none;
};

/// Appends fields to a buffer that outlives it. What was written can be followed by direct use of the buffer.
class byte_writer {
public:
  explicit byte_writer(buffer& out) noexcept : out_(out) {}

  template <std::integral T>
  void integer(T value) {
    std::byte encoded[sizeof value];
    store_le(encoded, value);
    out_.append(encoded);
  }

  void u8(std::uint8_t value) { out_.push_back(std::byte{value}); }
  void u16(std::uint16_t value) { integer(value); }
  void u32(std::uint32_t value) { integer(value); }
  void u64(std::uint64_t value) { integer(value); }

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      u8(static_cast<std::uint8_t>(value | 0x80));
    u8(static_cast<std::uint8_t>(value));
  }

  void bytes(byte_view value) { out_.append(value); }
  void text(std::string_view value) { out_.append(as_bytes(value)); }
  void time(timestamp value) { integer<std::int64_t>(value.time_since_epoch().count()); }
  void id(const id128& value) { out_.append(std::as_bytes(std::span{value})); }

  void stream(const stream_id& value) {
    id(value.producer);
    id(value.source);
  }

  void point(const stream_point& value) {
    u64(value.epoch);
    u64(value.sequence);
    u64(value.position);
  }

private:
  buffer& out_;
};

} // namespace sluice::detail

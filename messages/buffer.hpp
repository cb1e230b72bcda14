#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace sluice {

using byte_view = std::span<const std::byte>;

inline byte_view as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span{text.data(), text.size()});
}

inline std::string_view as_text(byte_view bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A growable block of bytes whose new space is not initialised: what is read from a file or a socket is written once.
/// Move-only; empty after it was moved from. Not thread-safe.
class buffer {
public:
  buffer() = default;
  explicit buffer(std::size_t capacity) { reserve(capacity); }

  buffer(buffer&& other) noexcept
    : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

  buffer& operator=(buffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  std::byte* data() noexcept { return data_.get(); }
  const std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  byte_view view() const noexcept { return {data_.get(), size_}; }
  std::string_view text() const noexcept { return as_text(view()); }

  void reserve(std::size_t capacity) {
    if (capacity <= capacity_)
      return;
    auto grown = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ > 0)
      std::memcpy(grown.get(), data_.get(), size_);
    data_ = std::move(grown);
    capacity_ = capacity;
  }

  /// Changes the size; bytes beyond the old size are indeterminate.
  void resize(std::size_t size) {
    if (size > capacity_)
      reserve(size < 2 * capacity_ ? 2 * capacity_ : size);
    size_ = size;
  }

  void append(byte_view bytes) {
    if (bytes.empty())
      return;
    auto at = size_;
    resize(at + bytes.size());
    std::memcpy(data() + at, bytes.data(), bytes.size());
  }

  void push_back(std::byte b) {
    resize(size_ + 1);
    data_[size_ - 1] = b;
  }

  void clear() noexcept { size_ = 0; }

private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// An immutable buffer that actors share instead of copying. Safe to read from any thread.
using shared_buffer = std::shared_ptr<const buffer>;

inline shared_buffer share(buffer bytes) {
  return std::make_shared<const buffer>(std::move(bytes));
}

} // namespace sluice

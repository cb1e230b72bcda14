#pragma once

#include <optional>
#include <utility>
#include <variant>

#include <sluice/error.hpp>

namespace sluice {

/// A value, or the error for which there is none. Exceptions do not leave the library.
template <class T = void>
class [[nodiscard]] result {
public:
  result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  result(sluice::error reason) : content_(std::in_place_index<1>, std::move(reason)) {}

  explicit operator bool() const noexcept { return content_.index() == 0; }

  /// Need a value.
  T& operator*() noexcept { return *std::get_if<0>(&content_); }
  const T& operator*() const noexcept { return *std::get_if<0>(&content_); }
  T* operator->() noexcept { return std::get_if<0>(&content_); }
  const T* operator->() const noexcept { return std::get_if<0>(&content_); }

  /// Needs to have no value.
  const sluice::error& error() const noexcept { return *std::get_if<1>(&content_); }

private:
  std::variant<T, sluice::error> content_;
};

/// Success, or the error.
template <>
class [[nodiscard]] result<void> {
public:
  result() = default;
  result(sluice::error reason) : error_(std::move(reason)) {}

  explicit operator bool() const noexcept { return !error_; }

  /// Needs to be no success.
  const sluice::error& error() const noexcept { return *error_; }

private:
  std::optional<sluice::error> error_;
};

} // namespace sluice

#pragma once

#include <array>
#include <new>
#include <optional>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>

#include "messages/errc.hpp"

namespace sluice {

/// What a JSON document takes, and no more than its bound: beyond, `allocate` throws `bad_alloc`. Memory is used again.
class json_memory final : public boost::json::memory_resource {
public:
  static constexpr std::size_t max_bytes = 128 * 1024 * 1024;

  void release() noexcept {
    memory_.emplace(first_.data(), first_.size()); // its own `release` would have the next block be twice as large
    left_ = max_bytes;
  }

private:
  void* do_allocate(std::size_t bytes, std::size_t align) override {
    if (bytes > left_)
      throw std::bad_alloc{};
    left_ -= bytes;
    return memory_->allocate(bytes, align);
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::array<unsigned char, 16 * 1024> first_;
  std::optional<boost::json::monotonic_resource> memory_{std::in_place, first_.data(), first_.size()};
  std::size_t left_ = max_bytes;
};

} // namespace sluice

template <>
struct boost::json::is_deallocate_trivial<sluice::json_memory> {
  static constexpr bool value = true;
};

namespace sluice {

/// Parses JSON texts, one at a time, into memory that is used again. At most 32 levels deep. Not thread-safe.
class json_document {
public:
  /// Holds until the next call. Errors: malformed, too_large.
  expected<const boost::json::value*> parse(std::string_view text) {
    value_.reset();
    parser_.reset();
    memory_.release();
    try {
      return parse_anew(text);
    } catch (const std::bad_alloc&) {
      return fail(errc::too_large, "JSON that takes more than 128 MiB of memory; send less at a time");
    }
  }

private:
  expected<const boost::json::value*> parse_anew(std::string_view text) {
    parser_.emplace(boost::json::storage_ptr{&memory_}); // what is not whole yet can be more than what is
    parser_->reset(&memory_);
    boost::system::error_code failure;
    parser_->write(text.data(), text.size(), failure);
    if (failure)
      return fail(errc::malformed, "no JSON: " + failure.message());
    value_.emplace(parser_->release());
    return &*value_;
  }

  json_memory memory_;
  std::optional<boost::json::parser> parser_;
  std::optional<boost::json::value> value_;
};

} // namespace sluice

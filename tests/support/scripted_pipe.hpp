#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "transport/file_system.hpp"

namespace sluice::test {

/// A pipe that gives what the test writes to it. Not thread-safe.
class scripted_pipe : public file {
public:
  void write(std::string_view text) { unread_ += text; }

  /// The writer closes it.
  void end() { has_ended_ = true; }

  /// From now on reads fail, until called with none.
  void fail_with(errc code) { failure_ = code; }

  std::size_t unread_bytes() const noexcept { return unread_.size(); }

  expected<std::optional<std::size_t>> read_some(std::span<std::byte> into, std::chrono::milliseconds) override {
    if (failure_ != errc::none)
      return fail(failure_, "the pipe fails");
    if (unread_.empty())
      return has_ended_ ? std::optional{std::size_t{0}} : std::nullopt;
    auto bytes = std::min(into.size(), unread_.size());
    std::memcpy(into.data(), unread_.data(), bytes);
    unread_.erase(0, bytes);
    return bytes;
  }

  expected<std::size_t> read_at(std::span<std::byte>, std::uint64_t) override { return unfit(); }
  expected<void> write_at(std::span<const byte_view>, std::uint64_t) override { return unfit(); }
  expected<void> sync() override { return unfit(); }
  expected<void> truncate(std::uint64_t) override { return unfit(); }

  expected<file_info> info() override {
    file_info made;
    made.regular = false;
    return made;
  }

private:
  static tl::unexpected<error> unfit() { return fail(errc::io_error, "this is a pipe"); }

  std::string unread_;
  bool has_ended_ = false;
  errc failure_ = errc::none;
};

} // namespace sluice::test

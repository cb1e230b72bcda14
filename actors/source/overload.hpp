#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "actors/source/shed.hpp"
#include "messages/errc.hpp"

namespace sluice {

/// What happens where more comes in than goes out.
enum class overload_policy : std::uint8_t {
  block,       ///< Nothing is read on: what writes waits, or its file grows.
  drop_newest, ///< What comes is dropped.
  drop_oldest, ///< What has waited longest is dropped.
  shed,        ///< Of what comes, what is not severe enough is dropped.
  spill,       ///< What was read goes to disk; when that is full, as `block`.
};

/// Whether files that are followed can lose lines under it.
constexpr bool drops(overload_policy policy) noexcept {
  return policy != overload_policy::block && policy != overload_policy::spill;
}

/// Whether a source drops what comes from a pipe under it.
constexpr bool drops_from_pipes(overload_policy policy) noexcept {
  return policy == overload_policy::drop_newest || policy == overload_policy::shed;
}

/// As on the command line. Errors: invalid_argument, saying what is accepted.
expected<overload_policy> parse_overload_policy(std::string_view text);

struct overload_config {
  overload_policy policy = overload_policy::block;
  /// How far a followed file may run ahead of what is read of it; then the policy applies. Bytes.
  std::uint64_t max_lag_bytes = std::uint64_t{1024} * 1024 * 1024;
  /// What `shed` keeps: this and what is more severe.
  severity least = severity::warning;
  /// A pipe is in overload when its window has been full and nothing was acknowledged for so long.
  std::chrono::milliseconds patience{1'000};
};

/// Which lines of a followed file are left out because it grows faster than it is read. It knows positions, not the
/// file: a plan for what lies ahead of the reader. Not thread-safe.
class lag_limit {
public:
  explicit lag_limit(const overload_config& config) : config_(config), filter_(config.least) {}

  /// Looks how it stands: so far is read, so long is the file, and whether there is no credit to read on. Once the
  /// file is too far ahead, lines are left out until no more than half the limit lies ahead.
  void look(std::uint64_t position, std::uint64_t size, bool window_is_full);

  /// Whether a line that begins at `position` is left out, whatever it says.
  bool drops_at(std::uint64_t position) const noexcept;

  /// What becomes of whole lines that were read at `position`.
  std::vector<line_run> divide(std::string_view text, std::uint64_t position);

  /// Nothing is planned any more: the reader starts over elsewhere.
  void reset();

  /// What the gaps say that it leaves.
  std::string_view reason() const noexcept;

private:
  /// Lines that begin in here are left out.
  struct range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool has(std::uint64_t position) const noexcept { return position >= begin && position < end; }
  };

  static constexpr auto nowhere = std::numeric_limits<std::uint64_t>::max();

  void look_for_newest(std::uint64_t size, std::uint64_t ahead, bool is_too_much);

  overload_config config_;
  std::vector<range> left_out_; ///< In order, apart from each other.
  bool is_behind_ = false;
  severity_filter filter_;
};

} // namespace sluice

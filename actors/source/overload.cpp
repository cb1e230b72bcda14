#include "actors/source/overload.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sluice {

expected<overload_policy> parse_overload_policy(std::string_view text) {
  if (text == "block")
    return overload_policy::block;
  if (text == "drop-newest")
    return overload_policy::drop_newest;
  if (text == "drop-oldest")
    return overload_policy::drop_oldest;
  if (text == "shed")
    return overload_policy::shed;
  if (text == "spill")
    return overload_policy::spill;
  return fail(errc::invalid_argument,
    fmt::format("'{}' is not a policy; write block, drop-newest, drop-oldest, shed or spill", text));
}

void lag_limit::look(std::uint64_t position, std::uint64_t size, bool window_is_full) {
  while (!left_out_.empty() && left_out_.front().end <= position)
    left_out_.erase(left_out_.begin());
  auto ahead = size > position ? size - position : 0;
  for (auto& x : left_out_)
    ahead -= x.end - std::max(x.begin, position);
  auto is_too_much = window_is_full && ahead > config_.max_lag_bytes;
  auto half = config_.max_lag_bytes / 2;
  switch (config_.policy) {
  case overload_policy::drop_newest:
    look_for_newest(size, ahead, is_too_much);
    break;
  case overload_policy::drop_oldest:
    if (is_too_much)
      left_out_ = {{position, size - half}};
    break;
  case overload_policy::shed:
    if (!is_behind_)
      filter_ = severity_filter{config_.least};
    is_behind_ = is_too_much || (is_behind_ && ahead > half);
    break;
  case overload_policy::block:
  case overload_policy::spill:
    break;
  }
}

void lag_limit::look_for_newest(std::uint64_t size, std::uint64_t ahead, bool is_too_much) {
  is_behind_ = !left_out_.empty() && is_behind_ && ahead > config_.max_lag_bytes / 2;
  if (is_behind_)
    left_out_.back().end = size;
  else if (is_too_much)
    left_out_.push_back({size - (ahead - config_.max_lag_bytes), size});
  is_behind_ = is_behind_ || is_too_much;
}

bool lag_limit::drops_at(std::uint64_t position) const noexcept {
  return std::ranges::any_of(left_out_, [position](auto& x) { return x.has(position); });
}

std::vector<line_run> lag_limit::divide(std::string_view text, std::uint64_t position) {
  if (config_.policy == overload_policy::shed && is_behind_)
    return filter_.divide(text);
  std::vector<line_run> runs;
  while (!text.empty()) {
    auto next = std::ranges::find_if(left_out_, [position](auto& x) { return x.end > position; });
    auto is_kept = next == left_out_.end() || next->begin > position;
    auto until = next == left_out_.end() ? nowhere : is_kept ? next->begin : next->end;
    auto bytes = text.size();
    if (until - position < bytes)
      bytes = std::min(bytes, text.find('\n', until - position - 1)) + 1;
    bytes = std::min(bytes, text.size());
    runs.push_back({bytes, count_lines(text.substr(0, bytes)), is_kept});
    position += bytes;
    text.remove_prefix(bytes);
  }
  return runs;
}

std::string_view lag_limit::reason() const noexcept {
  if (config_.policy == overload_policy::drop_newest)
    return gap_reason::drop_newest;
  return config_.policy == overload_policy::drop_oldest ? gap_reason::drop_oldest : gap_reason::shed_by_severity;
}

void lag_limit::reset() {
  left_out_.clear();
  is_behind_ = false;
  filter_ = severity_filter{config_.least};
}

} // namespace sluice

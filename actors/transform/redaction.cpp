#include "actors/transform/redaction.hpp"

#include <fmt/format.h>

namespace sluice {

redaction::redaction(byte_pattern match, std::string with)
  : match_(std::move(match)), with_(std::move(with)),
    groups_(static_cast<std::size_t>(1 + re2::RE2::MaxSubmatch(with_))) {}

redaction::result redaction::apply(std::string_view text, std::size_t max_bytes) {
  const re2::StringPiece all{text.data(), text.size()};
  auto count = static_cast<int>(groups_.size());
  auto has_match = false;
  std::size_t copied = 0;
  for (std::size_t at = 0; match_->Match(all, at, all.size(), re2::RE2::UNANCHORED, groups_.data(), count);) {
    auto begin = static_cast<std::size_t>(groups_[0].data() - all.data());
    auto end = begin + groups_[0].size();
    if (begin == end) {
      if ((at = end + 1) > all.size())
        break;
      continue;
    }
    if (!std::exchange(has_match, true))
      made_.clear();
    made_.append(text, copied, begin - copied);
    match_->Rewrite(&made_, {with_.data(), with_.size()}, groups_.data(), count);
    if (made_.size() > max_bytes)
      return {{}, true, false};
    at = copied = end;
  }
  if (!has_match)
    return {text};
  if (made_.size() + text.size() - copied > max_bytes)
    return {{}, true, false};
  return {arena_.keep({made_, text.substr(copied)}), true, true};
}

expected<void> check_replacement(const re2::RE2& match, const std::string& with) {
  std::string reason;
  if (!match.CheckRewriteString({with.data(), with.size()}, &reason))
    return fail(errc::invalid_argument, fmt::format("'{}': {}", with, reason));
  return {};
}

} // namespace sluice

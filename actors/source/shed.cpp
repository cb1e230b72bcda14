#include "actors/source/shed.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice {

namespace {

constexpr std::size_t looked_at_bytes = 128;

constexpr bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// What programs write beside the names of syslog.
constexpr std::array<std::pair<std::string_view, severity>, 5> other_words = {{
  {"panic", severity::emergency},
  {"fatal", severity::critical},
  {"severe", severity::error},
  {"verbose", severity::debug},
  {"trace", severity::debug},
}};

std::optional<severity> level_of(std::string_view word) noexcept {
  constexpr std::size_t least = 3, most = 13; // err, informational
  if (word.size() < least || word.size() > most)
    return {};
  auto found =
    std::ranges::find_if(other_words, [word](auto& other) { return std::ranges::equal(word, other.first, {}, lower); });
  return found != other_words.end() ? found->second : parse_severity(word);
}

} // namespace

severity severity_of(std::string_view line) noexcept {
  line = line.substr(0, looked_at_bytes);
  for (auto begin = std::ranges::find_if(line, is_word); begin != line.end();) {
    auto end = std::find_if_not(begin, line.end(), is_word);
    if (auto level = level_of({begin, end}))
      return *level;
    begin = std::find_if(end, line.end(), is_word);
  }
  return severity::informational;
}

std::vector<line_run> severity_filter::divide(std::string_view text) {
  std::vector<line_run> runs;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n') + 1);
    if (line.empty())
      line = text;
    auto is_kept = open_ ? *open_ : severity_of(line) <= least_;
    open_ = line.ends_with('\n') ? std::nullopt : std::optional{is_kept};
    if (runs.empty() || runs.back().is_kept != is_kept)
      runs.push_back({0, 0, is_kept});
    runs.back().bytes += line.size();
    ++runs.back().records;
    text.remove_prefix(line.size());
  }
  return runs;
}

} // namespace sluice

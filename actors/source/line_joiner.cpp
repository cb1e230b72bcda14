#include "actors/source/line_joiner.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

namespace sluice {

line_joiner::line_joiner(std::unique_ptr<re2::RE2> start) : start_(std::move(start)) {}

line_joiner::~line_joiner() = default;

expected<std::shared_ptr<const line_joiner>> line_joiner::by_start(const std::string& expression) {
  re2::RE2::Options bytes{re2::RE2::Latin1}; // lines may have any encoding
  bytes.set_log_errors(false);
  auto start = std::make_unique<re2::RE2>(expression, bytes);
  if (!start->ok())
    return fail(errc::invalid_argument, fmt::format("{}: {}", expression, start->error()));
  return std::shared_ptr<const line_joiner>{new line_joiner{std::move(start)}};
}

std::shared_ptr<const line_joiner> line_joiner::by_indentation() {
  return std::shared_ptr<const line_joiner>{new line_joiner{nullptr}};
}

bool line_joiner::begins_record(std::string_view line) const {
  if (start_)
    return re2::RE2::PartialMatch(re2::StringPiece{line.data(), line.size()}, *start_);
  return line.empty() || (line.front() != ' ' && line.front() != '\t');
}

line_joiner::joined line_joiner::join(std::string_view lines) const {
  joined made;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < lines.size();) {
    auto end = lines.find('\n', at);
    auto line = lines.substr(at, end - at);
    if (at > begin && begins_record(line)) {
      made.record_bytes.push_back(static_cast<std::uint32_t>(at - begin));
      begin = at;
    }
    at = end == std::string_view::npos ? lines.size() : end + 1;
  }
  made.last_bytes = lines.size() - begin;
  return made;
}

} // namespace sluice

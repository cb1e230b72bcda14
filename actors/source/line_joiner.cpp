#include "actors/source/line_joiner.hpp"

namespace sluice {

expected<std::shared_ptr<const line_joiner>> line_joiner::by_start(const std::string& expression) {
  return make_byte_pattern(expression).map([](byte_pattern start) {
    return std::shared_ptr<const line_joiner>{new line_joiner{std::move(start)}};
  });
}

std::shared_ptr<const line_joiner> line_joiner::by_indentation() {
  return std::shared_ptr<const line_joiner>{new line_joiner{nullptr}};
}

bool line_joiner::begins_record(std::string_view line) const {
  if (start_)
    return matches(*start_, line);
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

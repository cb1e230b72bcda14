#include "actors/source/chunk_reader.hpp"

#include <algorithm>
#include <utility>

#include "transport/file_system.hpp"

namespace sluice {

namespace {

/// Small enough that little is read twice when a limit cuts a chunk short, large enough to make calls cheap.
constexpr std::size_t read_bytes = 64 * 1024;

/// Size of the first `lines` lines.
std::size_t size_of_lines(std::string_view text, std::size_t lines) {
  std::size_t at = 0;
  for (; lines > 0; --lines)
    at = text.find('\n', at) + 1;
  return at;
}

} // namespace

bool line_cutter::scan(std::string_view text) {
  before_ = seen_;
  seen_ = {text.size(), seen_.newlines + count_newlines(text.substr(seen_.bytes))};
  if (seen_.newlines == 0)
    return text.size() >= limits_.max_record_bytes;
  return seen_.newlines >= limits_.max_events || text.size() >= limits_.max_bytes;
}

line_cutter::cut line_cutter::take(std::string_view text, bool last) const {
  if (seen_.newlines == 0) {
    if (!last && text.size() < limits_.max_record_bytes)
      return {};
    auto bytes = std::min(text.size(), limits_.max_record_bytes);
    return {bytes, bytes > 0 ? 1u : 0u};
  }
  auto bytes = text.size();
  auto records = seen_.newlines + (last && text.back() != '\n');
  if (records > limits_.max_events)
    bytes = before_.bytes + size_of_lines(text.substr(before_.bytes), limits_.max_events - before_.newlines);
  if (bytes > limits_.max_bytes) {
    auto end = text.rfind('\n', limits_.max_bytes - 1);
    bytes = end == text.npos ? std::min(text.find('\n') + 1, limits_.max_record_bytes) : end + 1;
  } else if (!last || bytes < text.size()) {
    bytes = text.rfind('\n', bytes - 1) + 1;
  }
  auto newlines = seen_.newlines - count_newlines(text.substr(bytes));
  auto unterminated = text[bytes - 1] != '\n';
  return {bytes, static_cast<std::uint32_t>(newlines + unterminated)};
}

expected<file_chunk> read_chunk(
  file& from, std::uint64_t position, const chunk_limits& limits, buffer memory, last_line last) {
  file_chunk made{lines_payload{std::move(memory)}};
  line_cutter cutter{limits};
  for (;;) {
    auto got = from.read_at(made.lines.prepare(read_bytes), position + made.lines.text_bytes());
    if (!got)
      return fail(std::move(got.error()));
    made.lines.commit(*got);
    made.at_end = *got == 0;
    if (cutter.scan(made.lines.text()) || made.at_end)
      break;
  }
  auto cut = cutter.take(made.lines.text(), made.at_end && last == last_line::take);
  auto left = made.lines.text().substr(cut.bytes);
  if (last == last_line::leave && left.size() < limits.max_record_bytes && left.find('\n') == left.npos)
    made.unfinished_bytes = left.size();
  made.at_end = made.at_end && left.size() == made.unfinished_bytes;
  made.lines.truncate(cut.bytes);
  made.records = cut.records;
  return made;
}

void take_records(file_chunk& made, line_joiner::joined records, bool is_complete) {
  if (is_complete && records.last_bytes > 0)
    records.record_bytes.push_back(static_cast<std::uint32_t>(std::exchange(records.last_bytes, 0)));
  made.lines.truncate(made.lines.text_bytes() - records.last_bytes);
  made.unfinished_bytes += records.last_bytes;
  made.records = static_cast<std::uint32_t>(records.record_bytes.size());
  made.record_bytes = std::move(records.record_bytes);
}

expected<file_chunk> read_records(file& from, std::uint64_t position, const reading& how, buffer memory) {
  auto within = how.limits;
  for (;;) {
    auto made = read_chunk(from, position, within, std::move(memory), how.last);
    if (!how.joiner || !made || made->records == 0)
      return made;
    auto records = how.joiner->join(made->lines.text());
    auto is_one = records.record_bytes.empty();
    auto may_grow = is_one && !made->at_end && within.max_bytes < how.limits.max_record_bytes;
    if (!may_grow) {
      auto end = position + made->lines.text_bytes() + made->unfinished_bytes;
      auto is_whole = how.last == last_line::take || how.complete_at == end;
      take_records(*made, std::move(records), made->at_end ? is_whole : is_one);
      return made;
    }
    memory = {};
    within.max_bytes = std::min(2 * within.max_bytes, how.limits.max_record_bytes);
    within.max_events = static_cast<std::uint32_t>(within.max_bytes);
  }
}

} // namespace sluice

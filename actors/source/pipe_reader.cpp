#include "actors/source/pipe_reader.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "actors/source/shed.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

constexpr std::size_t read_bytes = 64 * 1024;

/// How long a pipe is waited for.
constexpr std::chrono::milliseconds first_patience{200};

/// How much is dropped at once.
constexpr std::size_t drop_bytes = 1024 * 1024;

std::string severe_part(std::string_view lines, severity least) {
  std::string kept;
  for (auto& run : severity_filter{least}.divide(lines)) {
    if (run.is_kept)
      kept += lines.substr(0, run.bytes);
    lines.remove_prefix(run.bytes);
  }
  return kept;
}

} // namespace

expected<pipe_chunk> pipe_reader::read(
  std::uint64_t position, std::uint64_t acked, const chunk_limits& limits, buffer memory) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_kept(position); !ok)
    return fail(std::move(ok.error()));
  content_.forget(std::min(acked, position));
  if (auto* gone = content_.dropped_at(position))
    return give_dropped(*gone);
  auto patience = first_patience;
  lines_payload lines{std::move(memory)};
  line_cutter cutter{limits};
  while (!cutter.scan(lines.text())) {
    auto at = position + lines.text_bytes();
    if (take_kept(lines, at))
      continue;
    if (content_.dropped_at(at))
      break;
    auto old_bytes = lines.text_bytes();
    auto more = read_new(lines, std::exchange(patience, std::chrono::milliseconds{}));
    if (!more)
      return fail(std::move(more.error()));
    content_.append(lines.text().substr(old_bytes));
    if (!*more)
      break;
  }
  return give(std::move(lines), position, cutter, has_ended_);
}

expected<pipe_chunk> pipe_reader::rest(std::uint64_t position, const chunk_limits& limits, buffer memory) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_kept(position); !ok)
    return fail(std::move(ok.error()));
  if (auto* gone = content_.dropped_at(position))
    return give_dropped(*gone);
  lines_payload lines{std::move(memory)};
  line_cutter cutter{limits};
  while (!cutter.scan(lines.text()) && take_kept(lines, position + lines.text_bytes()))
    ;
  return give(std::move(lines), position, cutter, true);
}

expected<pipe_reader::dropped> pipe_reader::drop(
  std::optional<severity> least, std::size_t max_kept_bytes, const chunk_limits& limits, timestamp now) {
  std::lock_guard guard{mutex_};
  if (has_ended_ || content_.unread_bytes() >= max_kept_bytes)
    return dropped{.is_all = true};
  lines_payload lines;
  lines.append(content_.take_open_line());
  line_cutter cutter{{drop_bytes, std::numeric_limits<std::uint32_t>::max(), limits.max_record_bytes}};
  auto patience = first_patience;
  for (auto more = true; more && !cutter.scan(lines.text());) {
    auto got = read_new(lines, std::exchange(patience, std::chrono::milliseconds{}));
    if (!got) {
      content_.append(lines.text());
      return fail(std::move(got.error()));
    }
    more = *got;
  }
  auto whole = lines.text().substr(0, lines.text().rfind('\n') + 1);
  if (has_ended_ || (whole.empty() && lines.text_bytes() >= limits.max_record_bytes))
    whole = lines.text();
  dropped result{count_lines(whole), whole.size()};
  auto kept = least ? severe_part(whole, *least) : std::string{};
  result.records -= count_lines(kept);
  result.bytes -= kept.size();
  auto reason = least ? gap_reason::shed_by_severity : gap_reason::drop_newest;
  content_.drop(kept, reason, result.records, result.bytes, now);
  content_.append(lines.text().substr(whole.size()));
  return result;
}

expected<void> pipe_reader::check(std::uint64_t position) {
  std::lock_guard guard{mutex_};
  return check_kept(position);
}

pipe_reader::range pipe_reader::kept() {
  std::lock_guard guard{mutex_};
  return {content_.begin(), content_.end()};
}

expected<void> pipe_reader::check_kept(std::uint64_t position) const {
  if (position >= content_.begin() && position <= content_.end())
    return {};
  return fail(errc::not_rereadable,
    fmt::format("{}: the receiver wants to resume at byte {}, but only what lies between the bytes {} and {} can be "
                "read again",
      name_, position, content_.begin(), content_.end()));
}

bool pipe_reader::take_kept(lines_payload& into, std::uint64_t position) const {
  auto text = content_.text_at(position).substr(0, read_bytes);
  into.append(text);
  return !text.empty();
}

expected<bool> pipe_reader::read_new(lines_payload& into, std::chrono::milliseconds patience) {
  if (has_ended_)
    return false;
  auto got = opened_->read_some(into.prepare(read_bytes), patience);
  if (!got)
    return fail(std::move(got.error()));
  if (!*got)
    return false;
  has_ended_ = **got == 0;
  into.commit(**got);
  return !has_ended_;
}

pipe_chunk pipe_reader::give_dropped(const dropped_records& x) {
  content_.give(x.end);
  pipe_chunk made;
  made.at_end = has_ended_ && x.end == content_.end();
  made.dropped = x;
  return made;
}

/// `is_cut_off`: nothing more is to come behind all that is kept.
pipe_chunk pipe_reader::give(lines_payload lines, std::uint64_t position, const line_cutter& cutter, bool is_cut_off) {
  auto end = position + lines.text_bytes();
  auto is_last = is_cut_off && end == content_.end();
  auto cut = cutter.take(lines.text(), is_last || content_.dropped_at(end));
  pipe_chunk made{{std::move(lines)}};
  made.at_end = is_last && cut.bytes == made.lines.text_bytes();
  made.lines.truncate(cut.bytes);
  made.records = cut.records;
  content_.give(position + cut.bytes);
  return made;
}

} // namespace sluice

#include "actors/source/pipe_reader.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "transport/file_system.hpp"

namespace sluice {

namespace {

constexpr std::size_t read_bytes = 64 * 1024;

} // namespace

expected<file_chunk> pipe_reader::read(
  std::uint64_t position, std::uint64_t acked, const chunk_limits& limits, buffer memory) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_kept(position); !ok)
    return fail(std::move(ok.error()));
  forget(std::min(acked, position));
  std::chrono::milliseconds patience{200};
  lines_payload lines{std::move(memory)};
  line_cutter cutter{limits};
  while (!cutter.scan(lines.text())) {
    if (take_kept(lines, position + lines.text_bytes()))
      continue;
    auto more = take_new(lines, std::exchange(patience, std::chrono::milliseconds{}));
    if (!more)
      return fail(std::move(more.error()));
    if (!*more)
      break;
  }
  auto last = has_ended_ && position + lines.text_bytes() == end();
  return cut(std::move(lines), cutter, last);
}

expected<file_chunk> pipe_reader::rest(std::uint64_t position, const chunk_limits& limits, buffer memory) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_kept(position); !ok)
    return fail(std::move(ok.error()));
  lines_payload lines{std::move(memory)};
  line_cutter cutter{limits};
  while (!cutter.scan(lines.text()) && take_kept(lines, position + lines.text_bytes()))
    ;
  auto last = position + lines.text_bytes() == end();
  return cut(std::move(lines), cutter, last);
}

expected<void> pipe_reader::check(std::uint64_t position) {
  std::lock_guard guard{mutex_};
  return check_kept(position);
}

bool pipe_reader::holds_something() {
  std::lock_guard guard{mutex_};
  return end() > begin_;
}

expected<void> pipe_reader::check_kept(std::uint64_t position) const {
  if (position >= begin_ && position <= end())
    return {};
  return fail(errc::not_rereadable,
    fmt::format("{}: the receiver wants to resume at byte {}, but only what lies between the bytes {} and {} can be "
                "read again",
      name_, position, begin_, end()));
}

void pipe_reader::forget(std::uint64_t acked) {
  if (acked <= begin_)
    return;
  forgotten_ += acked - begin_;
  begin_ = acked;
  if (forgotten_ > kept_.size() / 2) {
    kept_.erase(0, forgotten_);
    forgotten_ = 0;
  }
}

bool pipe_reader::take_kept(lines_payload& into, std::uint64_t position) const {
  if (position >= end())
    return false;
  into.append(std::string_view{kept_}.substr(forgotten_ + (position - begin_), read_bytes));
  return true;
}

/// Returns whether something has come.
expected<bool> pipe_reader::take_new(lines_payload& into, std::chrono::milliseconds patience) {
  if (has_ended_)
    return false;
  auto room = into.prepare(read_bytes);
  auto got = opened_->read_some(room, patience);
  if (!got)
    return fail(std::move(got.error()));
  if (!*got)
    return false;
  has_ended_ = **got == 0;
  into.commit(**got);
  kept_ += as_text(byte_view{room.first(**got)});
  return !has_ended_;
}

file_chunk pipe_reader::cut(lines_payload lines, const line_cutter& cutter, bool last) const {
  auto cut = cutter.take(lines.text(), last);
  file_chunk made{std::move(lines)};
  made.at_end = last && cut.bytes == made.lines.text_bytes();
  made.lines.truncate(cut.bytes);
  made.records = cut.records;
  return made;
}

} // namespace sluice

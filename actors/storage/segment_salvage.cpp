#include "actors/storage/segment_salvage.hpp"

#include <algorithm>

#include "messages/detail/endian.hpp"

namespace sluice {

namespace {

constexpr std::string_view mark_magic = "SLMK";
constexpr std::string_view frame_magic = "SLFR";
constexpr std::size_t search_bytes = 1024 * 1024;

frame_header to_header(const frame_entry& entry, const segment_index& index) {
  frame_header header;
  header.kind = entry.kind;
  header.stream = index.streams[entry.stream];
  header.epoch = entry.last.epoch;
  header.sequence = entry.last.sequence;
  header.record_count = entry.record_count;
  header.first_timestamp = entry.first_timestamp;
  header.last_timestamp = entry.last_timestamp;
  header.position_begin = entry.position_begin;
  header.position_end = entry.last.position;
  header.labels = index.label_sets[entry.labels];
  return header;
}

} // namespace

expected<segment_salvage> segment_salvage::open(file_system& files, const std::filesystem::path& where) {
  auto opened = opened_segment::open(files, where);
  if (!opened)
    return fail(opened.error());
  segment_salvage result{std::move(*opened)};
  if (auto header = read_segment_header(files, where))
    result.header_ = std::move(*header);
  if (auto footer = result.file_.read_footer())
    result.index_ = std::move(footer->index);
  else if (is_file_error(footer.error().code))
    return fail(footer.error());
  return result;
}

expected<void> segment_salvage::run(const visitor& to, bool may_be_torn) {
  return index_ ? run_index(to) : run_scan(to, may_be_torn);
}

expected<void> segment_salvage::run_index(const visitor& to) {
  for (const auto& entry : index_->frames) {
    auto known = to_header(entry, *index_);
    auto whole = file_.read(entry.offset, entry.frame_bytes()).and_then([](buffer bytes) {
      return frame::decode(share(std::move(bytes)));
    });
    if (!whole || whole->header().stream != known.stream || whole->header().end_point() != known.end_point())
      to.on_lost_frame(known);
    else if (auto ok = to.on_frame(*whole); !ok)
      return ok;
  }
  return {};
}

expected<void> segment_salvage::run_scan(const visitor& to, bool may_be_torn) {
  for (std::uint64_t at = header_ ? header_->encoded_bytes() : 0; at < file_.size();) {
    auto is_mark = is_mark_at(at);
    if (!is_mark)
      return fail(is_mark.error());
    if (*is_mark) {
      at += segment_limits::mark_bytes;
      continue;
    }
    auto header = header_at(at);
    if (!header)
      return fail(header.error());
    if (*header) {
      auto bytes = file_.read(at, (*header)->frame_bytes());
      if (!bytes)
        return fail(bytes.error());
      if (auto whole = frame::decode(share(std::move(*bytes)))) {
        if (auto ok = to.on_frame(*whole); !ok)
          return ok;
        at += whole->size();
        continue;
      }
    }
    auto mark = next_mark(at + 1);
    if (!mark)
      return fail(mark.error());
    if (at > 0 && may_be_torn && *mark == file_.size())
      return {};
    if (*header) {
      to.on_lost_frame(**header);
      at += (*header)->frame_bytes();
      continue;
    }
    auto next = resume_point(at + 1, *mark);
    if (!next)
      return fail(next.error());
    auto can_hold_a_frame = at > 0 && *next - at >= frame_limits::min_frame_bytes;
    if (can_hold_a_frame && *next < file_.size())
      to.on_lost_bytes(*next - at);
    at = *next;
  }
  return {};
}

/// The header of a frame that begins there and lies in the file.
expected<std::optional<frame_header>> segment_salvage::header_at(std::uint64_t offset) const {
  auto left = file_.size() - offset;
  auto bytes = file_.read(offset, std::min<std::uint64_t>(left, frame_limits::max_header_bytes));
  if (!bytes)
    return fail(bytes.error());
  auto header = decode_frame_header(bytes->view());
  if (!header || header->frame_bytes() > left)
    return std::nullopt;
  return std::move(*header);
}

/// The hash is not looked at: it is tied to a segment's header, which may be what is damaged. The offset has to be
/// right.
expected<bool> segment_salvage::is_mark_at(std::uint64_t offset) const {
  if (file_.size() - offset < segment_limits::mark_bytes)
    return false;
  auto bytes = file_.read(offset, segment_limits::mark_bytes);
  if (!bytes)
    return fail(bytes.error());
  detail::byte_reader in{bytes->view()};
  return in.text(mark_magic.size()) == mark_magic && in.u32() == 0 && in.u64() == offset;
}

/// Where `magic` begins next; `end` if it does not before.
expected<std::uint64_t> segment_salvage::find(std::string_view magic, std::uint64_t from, std::uint64_t end) const {
  while (from < end) {
    auto count = std::min<std::uint64_t>(search_bytes, file_.size() - from);
    auto bytes = file_.read(from, count);
    if (!bytes)
      return fail(bytes.error());
    if (auto at = as_text(bytes->view()).find(magic); at != std::string_view::npos)
      return std::min(from + at, end);
    if (count < search_bytes)
      break;
    from += count - magic.size() + 1;
  }
  return end;
}

expected<std::uint64_t> segment_salvage::next_mark(std::uint64_t from) const {
  for (;; ++from) {
    auto found = find(mark_magic, from, file_.size());
    if (!found || *found == file_.size())
      return found;
    auto is_mark = is_mark_at(*found);
    if (!is_mark)
      return fail(is_mark.error());
    from = *found;
    if (*is_mark)
      return from;
  }
}

expected<std::uint64_t> segment_salvage::resume_point(std::uint64_t from, std::uint64_t end) {
  dead_ends_.clear();
  for (;; ++from) {
    auto found = find(frame_magic, from, end);
    if (!found || *found == end)
      return found;
    auto leads = leads_to(*found, end);
    if (!leads)
      return fail(leads.error());
    from = *found;
    if (*leads)
      return from;
  }
}

expected<bool> segment_salvage::leads_to(std::uint64_t from, std::uint64_t end) {
  std::vector<std::uint64_t> passed;
  for (auto at = from; at < end && !dead_ends_.contains(at);) {
    passed.push_back(at);
    auto header = header_at(at);
    if (!header)
      return fail(header.error());
    if (!*header)
      break;
    at += (*header)->frame_bytes();
    if (at == end)
      return true;
  }
  dead_ends_.insert(passed.begin(), passed.end());
  return false;
}

} // namespace sluice

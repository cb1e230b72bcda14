#include "actors/storage/segment_reader.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sluice {

namespace {

/// Enough for a mark and for nearly every frame header.
constexpr std::size_t window_bytes = 512;
constexpr std::size_t search_bytes = 1024 * 1024;

} // namespace

bool is_file_error(errc code) noexcept {
  return code == errc::io_error || code == errc::permission_denied || code == errc::not_found;
}

std::string to_string(const damage& where) {
  auto path = where.path.string();
  std::string_view reason = where.reason.message;
  if (auto named = path + ": "; reason.starts_with(named)) // as errors of files do
    reason.remove_prefix(named.size());
  return fmt::format("{}:{}: {}", path, where.offset, reason);
}

expected<segment_header> read_segment_header(file_system& files, const std::filesystem::path& where) {
  return segment_reader::begin(files, where).map([](const segment_reader& begun) { return begun.header(); });
}

expected<segment_reader> segment_reader::begin(file_system& files, const std::filesystem::path& where) {
  auto from = opened_segment::open(files, where);
  if (!from)
    return fail(from.error());
  segment_reader result{std::move(*from), where};
  if (auto ok = result.read_header(); !ok)
    return is_file_error(ok.error().code)
             ? fail(ok.error())
             : fail(ok.error().code, fmt::format("{}: {}", where.string(), ok.error().message));
  return result;
}

expected<segment_reader> segment_reader::open(file_system& files, const std::filesystem::path& where) {
  auto begun = begin(files, where);
  if (!begun)
    return begun;
  auto& result = *begun;
  if (auto sealed = result.read_footer(); !sealed && is_file_error(sealed.error().code))
    return fail(sealed.error());
  if (!result.sealed_) {
    auto found = result.scan();
    if (!found)
      return fail(found.error());
    result.scan_ = std::move(*found);
    result.body_end_ = result.scan_.end;
  }
  return begun;
}

expected<void> segment_reader::read_header() {
  auto fixed = file_.read(0, segment_limits::fixed_header_bytes);
  if (!fixed)
    return fail(fixed.error());
  auto size = decode_segment_header_size(fixed->view());
  if (!size)
    return fail(size.error());
  auto whole = file_.read(0, *size);
  if (!whole)
    return fail(whole.error());
  auto decoded = decode_segment_header(whole->view());
  if (!decoded)
    return fail(decoded.error());
  header_ = std::move(*decoded);
  marks_.emplace(whole->view());
  body_end_ = file_.size();
  return {};
}

expected<void> segment_reader::read_footer() {
  auto footer = file_.read_footer();
  if (!footer)
    return fail(footer.error());
  if (footer->offset < header_.encoded_bytes())
    return fail(errc::malformed, "the footer begins within the header");
  sealed_ = std::move(footer->index);
  body_end_ = footer->offset;
  return {};
}

expected<segment_scan> segment_reader::scan(std::uint64_t limit) const {
  limit = std::min(limit, is_sealed() ? body_end_ : file_.size());
  segment_scan found;
  found.end = header_.encoded_bytes();
  for (auto at = found.end; at < limit;) {
    auto window = file_.read(at, std::min<std::uint64_t>(window_bytes, limit - at));
    if (!window)
      return fail(window.error());
    if (marks_->is_mark(window->view(), at)) {
      found.mark = at;
      found.end = at += segment_limits::mark_bytes;
      continue;
    }
    auto header = read_frame_header(at, window->view());
    if (header && header->frame_bytes() <= limit - at) {
      found.frames.add(*header, at);
      found.end = at += header->frame_bytes();
      continue;
    }
    auto reason = header ? error{errc::truncated, "the file ends within the frame"} : header.error();
    if (is_file_error(reason.code))
      return fail(std::move(reason));
    auto mark = find_mark(at + 1);
    if (!mark)
      return fail(mark.error());
    if (!*mark) {
      found.tail = std::move(reason);
      break;
    }
    found.damages.push_back(this->at(at, std::move(reason)));
    at = **mark;
  }
  return found;
}

expected<frame_header> segment_reader::read_frame_header(std::uint64_t offset, byte_view begin) const {
  if (segment_marks::looks_like_mark(begin))
    return fail(errc::bad_checksum, "mark does not match its hash or offset");
  auto extent = decode_frame_extent(begin);
  if (!extent)
    return fail(extent.error());
  if (extent->header_bytes <= begin.size())
    return decode_frame_header(begin.first(extent->header_bytes));
  auto whole = file_.read(offset, extent->header_bytes);
  if (!whole)
    return fail(whole.error());
  return decode_frame_header(whole->view());
}

expected<std::optional<std::uint64_t>> segment_reader::find_mark(std::uint64_t from) const {
  auto limit = is_sealed() ? body_end_ : file_.size();
  while (from < limit) {
    auto count = std::min<std::uint64_t>(search_bytes, limit - from);
    auto bytes = file_.read(from, count);
    if (!bytes)
      return fail(bytes.error());
    if (auto at = marks_->find(bytes->view(), from); at < count)
      return from + at;
    auto overlap = segment_limits::mark_bytes - 1;
    from += count > overlap && from + count < limit ? count - overlap : count;
  }
  return std::nullopt;
}

expected<frame> segment_reader::load(const frame_entry& entry) const {
  auto bytes = file_.read(entry.offset, entry.frame_bytes());
  if (!bytes)
    return fail(bytes.error());
  auto loaded = frame::decode(share(std::move(*bytes)));
  if (!loaded)
    return loaded;
  const auto& header = loaded->header();
  if (header.stream != index().streams[entry.stream] || header.end_point() != entry.last ||
      header.labels != index().label_sets[entry.labels] || header.record_count != entry.record_count ||
      header.kind != entry.kind)
    return fail(errc::malformed, "the frame is not the one that the index names");
  return loaded;
}

bool segment_reader::is_settled(const frame_entry& entry) const noexcept {
  if (is_sealed())
    return true;
  return entry.offset < scan_.mark.value_or(index().frames.back().offset);
}

} // namespace sluice

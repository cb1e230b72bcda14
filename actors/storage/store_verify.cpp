#include <fmt/format.h>

#include "actors/storage/store_verification.hpp"
#include "messages/counted.hpp"
#include "messages/record_codec.hpp"

namespace sluice {

namespace {

/// Only the gaps that a store itself makes may leave out sequence numbers.
bool may_leave_out(const frame& x) {
  auto reason = as_text(x.payload());
  return x.header().kind == frame_kind::gap &&
         (reason == gap_reason::stored_elsewhere || reason == gap_reason::damaged);
}

} // namespace

bool store_verification::segment(file_system& files, const segment_file& from, bool is_last) {
  auto problems_before = result_.problems;
  auto reader = segment_reader::open(files, from.path);
  auto scanned = reader ? reader->scan() : fail(reader.error());
  if (!scanned) {
    knows_streams_ = false;
    // Retention has removed it since the folder was listed.
    if (scanned.error().code != errc::not_found)
      report({from.path, 0, scanned.error()});
    return result_.problems == problems_before;
  }
  ++result_.segments;
  check_header(*reader, from);
  check_body(*reader, *scanned, is_last);
  for (const auto& entry : reader->index().frames)
    if (!check_frame(*reader, entry))
      break;
  knows_streams_ = result_.problems == problems_before;
  return knows_streams_;
}

void store_verification::report(const damage& met) {
  ++result_.problems;
  on_problem_(met);
}

void store_verification::check_header(const segment_reader& reader, const segment_file& from) {
  const auto& header = reader.header();
  auto complain = [&](std::string why) { report(reader.at(0, {errc::malformed, std::move(why)})); };
  if (header.number != from.number)
    complain(fmt::format("the header has segment number {}", header.number));
  stream_points listed;
  for (const auto& entry : header.streams) {
    listed[entry.stream] = entry.last;
    if (knows_streams_ && streams_[entry.stream] != entry.last)
      complain(fmt::format(
        "the header's entry of stream {} does not agree with the segments before", to_string(entry.stream)));
  }
  streams_ = std::move(listed);
}

void store_verification::check_body(const segment_reader& reader, const segment_scan& scanned, bool is_last) {
  for (const auto& damage : scanned.damages)
    report(damage);
  if (!reader.is_sealed() && !is_last)
    report(reader.at(scanned.end, {errc::malformed, "no valid footer, although a later segment exists"}));
  if (reader.is_sealed() && scanned.tail)
    report(reader.at(scanned.end, *scanned.tail));
  else if (reader.is_sealed() && scanned.damages.empty() && scanned.frames.index() != reader.index())
    report(reader.at(reader.body_end(), {errc::malformed, "the footer does not agree with the frames"}));
  else if (scanned.tail)
    result_.tail = reader.at(scanned.end, *scanned.tail);
}

/// False where an active segment ends.
bool store_verification::check_frame(const segment_reader& reader, const frame_entry& entry) {
  auto loaded = reader.load(entry);
  if (!loaded && !reader.is_settled(entry)) {
    result_.tail = reader.at(entry.offset, loaded.error());
    return false;
  }
  ++result_.frames;
  check_order(reader, entry, loaded && may_leave_out(*loaded));
  auto read = loaded.and_then([this](const frame& from) { return check_records(from); });
  if (!read)
    report_frame(reader, entry, read.error());
  return true;
}

void store_verification::report_frame(const segment_reader& reader, const frame_entry& entry, error reason) {
  if (entry.kind == frame_kind::records) {
    result_.damaged_records += entry.record_count;
    reason.message += fmt::format("; {} affected", counted(entry.record_count, "record"));
  }
  report(reader.at(entry.offset, std::move(reason)));
}

void store_verification::check_order(const segment_reader& reader, const frame_entry& entry, bool leaves_out) {
  auto& last = streams_[reader.index().streams[entry.stream]];
  auto is_next = entry.last.epoch == last.epoch ? entry.last.sequence == last.sequence + 1
                                                : entry.last.epoch > last.epoch && entry.last.sequence == 1;
  auto is_later = leaves_out && entry.last.epoch >= last.epoch;
  if ((!is_next && !is_later) || entry.position_begin != last.position)
    report(reader.at(entry.offset,
      {errc::sequence_gap,
        fmt::format("frame {} of epoch {} at position {} does not follow frame {} of epoch {} up to position {}",
          entry.last.sequence, entry.last.epoch, entry.position_begin, last.sequence, last.epoch, last.position)}));
  last = entry.last;
}

expected<void> store_verification::check_records(const frame& from) {
  if (depth_ == depth::frames)
    return {};
  if (from.header().kind == frame_kind::gap) {
    ++result_.gaps;
    result_.gap_records += from.header().record_count;
    return {};
  }
  auto payload = decompressor_.decompress(from.header(), from.payload());
  if (!payload)
    return fail(payload.error());
  auto records = record_reader::open(*payload, from.header().record_count);
  if (!records)
    return fail(records.error());
  std::uint32_t count = 0;
  while (records->next() != nullptr)
    ++count;
  if (records->failure())
    return fail(*records->failure());
  if (count != from.header().record_count)
    return fail(
      errc::malformed, fmt::format("{}, the header says {}", counted(count, "record"), from.header().record_count));
  result_.records += count;
  return {};
}

expected<verify_result> verify_store(
  file_system& files, const std::filesystem::path& folder, const std::function<void(const damage&)>& on_problem) {
  auto segments = list_segments_of_store(files, folder);
  if (!segments)
    return fail(segments.error());
  store_verification run{store_verification::depth::records, on_problem};
  for (const auto& segment : *segments)
    run.segment(files, segment, segment.number == segments->back().number);
  return run.result();
}

} // namespace sluice

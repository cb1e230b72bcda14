#include <unordered_map>

#include <fmt/format.h>

#include "actors/storage/store_check.hpp"
#include "messages/record_codec.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {

namespace {

/// Only such a gap may leave out sequence numbers.
bool is_gap_between_stores(const frame& x) {
  return x.header().kind == frame_kind::gap && as_text(x.payload()) == gap_reason::stored_elsewhere;
}

class verification {
public:
  explicit verification(const std::function<void(const damage&)>& on_problem) : on_problem_(on_problem) {}

  verify_result result() && { return std::move(result_); }

  void segment(file_system& files, const segment_file& from, bool is_last) {
    auto reader = segment_reader::open(files, from.path);
    if (!reader) {
      knows_streams_ = false;
      // Retention has removed it since the folder was listed.
      if (reader.error().code != errc::not_found)
        report({from.path, 0, reader.error()});
      return;
    }
    auto scanned = reader->scan();
    if (!scanned) {
      report(reader->at(0, scanned.error()));
      return;
    }
    ++result_.segments;
    auto problems_before = result_.problems;
    check_header(*reader, from);
    check_body(*reader, *scanned, is_last);
    for (const auto& entry : reader->index().frames)
      if (!check_frame(*reader, entry))
        break;
    knows_streams_ = result_.problems == problems_before;
  }

private:
  void report(const damage& met) {
    ++result_.problems;
    on_problem_(met);
  }

  void check_header(const segment_reader& reader, const segment_file& from) {
    const auto& header = reader.header();
    auto complain = [&](std::string why) { report(reader.at(0, {errc::malformed, std::move(why)})); };
    if (header.number != from.number)
      complain(fmt::format("the header has segment number {}", header.number));
    std::unordered_map<stream_id, stream_point> listed;
    for (const auto& entry : header.streams) {
      listed[entry.stream] = entry.last;
      if (knows_streams_ && streams_[entry.stream] != entry.last)
        complain(fmt::format(
          "the header's entry of stream {} does not agree with the segments before", to_string(entry.stream)));
    }
    streams_ = std::move(listed);
  }

  void check_body(const segment_reader& reader, const segment_scan& scanned, bool is_last) {
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
  bool check_frame(const segment_reader& reader, const frame_entry& entry) {
    auto loaded = reader.load(entry);
    if (!loaded && !reader.is_settled(entry)) {
      result_.tail = reader.at(entry.offset, loaded.error());
      return false;
    }
    ++result_.frames;
    check_order(reader, entry, loaded && is_gap_between_stores(*loaded));
    auto read = loaded.and_then([this](const frame& from) { return check_records(from); });
    if (!read)
      report(reader.at(entry.offset, read.error()));
    return true;
  }

  void check_order(const segment_reader& reader, const frame_entry& entry, bool may_leave_out) {
    auto& last = streams_[reader.index().streams[entry.stream]];
    auto is_next = entry.last.epoch == last.epoch ? entry.last.sequence == last.sequence + 1
                                                  : entry.last.epoch > last.epoch && entry.last.sequence == 1;
    auto is_later = may_leave_out && entry.last.epoch >= last.epoch;
    if ((!is_next && !is_later) || entry.position_begin != last.position)
      report(reader.at(entry.offset,
        {errc::sequence_gap,
          fmt::format("frame {} of epoch {} at position {} does not follow frame {} of epoch {} up to position {}",
            entry.last.sequence, entry.last.epoch, entry.position_begin, last.sequence, last.epoch, last.position)}));
    last = entry.last;
  }

  expected<void> check_records(const frame& from) {
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
    result_.records += count;
    if (records->failure())
      return fail(*records->failure());
    if (count != from.header().record_count)
      return fail(errc::malformed, fmt::format("{} records, the header says {}", count, from.header().record_count));
    return {};
  }

  const std::function<void(const damage&)>& on_problem_;
  verify_result result_;
  payload_decompressor decompressor_;
  std::unordered_map<stream_id, stream_point> streams_;
  bool knows_streams_ = false; ///< Whether `streams_` is what the next header must list.
};

} // namespace

expected<verify_result> verify_store(
  file_system& files, const std::filesystem::path& folder, const std::function<void(const damage&)>& on_problem) {
  auto segments = list_segments(files, folder);
  if (!segments)
    return fail(segments.error());
  verification run{on_problem};
  for (const auto& segment : *segments)
    run.segment(files, segment, segment.number == segments->back().number);
  return std::move(run).result();
}

} // namespace sluice

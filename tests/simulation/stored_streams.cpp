#include "tests/simulation/stored_streams.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "actors/storage/segment_reader.hpp"
#include "messages/record_codec.hpp"
#include "transport/payload_codec.hpp"

namespace sluice::test {

namespace {

constexpr std::string_view stored_elsewhere = "stored_elsewhere";

/// That gaps have under it; none if nothing is dropped.
std::string_view reason_of(overload_policy policy) {
  switch (policy) {
  case overload_policy::drop_newest:
    return "drop_newest";
  case overload_policy::drop_oldest:
    return "drop_oldest";
  case overload_policy::shed:
    return "shed_by_severity";
  default:
    return {};
  }
}

expected<std::string> text_of(const frame& from, payload_decompressor& decompressor) {
  if (from.header().kind == frame_kind::gap)
    return std::string{as_text(from.payload())};
  auto payload = decompressor.decompress(from.header(), from.payload());
  if (!payload)
    return fail(payload.error());
  auto records = record_reader::open(*payload, from.header().record_count);
  if (!records)
    return fail(records.error());
  if (records->is_lines())
    return std::string{records->bodies()};
  std::string text;
  while (auto* record = records->next()) {
    text += record->body;
    if (record->terminated)
      text += '\n';
  }
  return text;
}

std::string label_of(const frame_header& header, std::string_view key) {
  auto* found = header.labels.find(key);
  return found ? *found : std::string{};
}

} // namespace

expected<void> stored_streams::add_store(file_system& files, const std::filesystem::path& folder) {
  auto segments = list_segments(files, folder);
  if (!segments)
    return fail(segments.error());
  payload_decompressor decompressor;
  place at{stores_++, 0};
  for (auto& segment : *segments) {
    auto reader = segment_reader::open(files, segment.path);
    if (!reader)
      return fail(reader.error());
    for (auto& entry : reader->index().frames) {
      auto loaded = reader->load(entry);
      if (!loaded)
        return fail(loaded.error());
      auto text = text_of(*loaded, decompressor);
      if (!text)
        return fail(text.error());
      auto& header = loaded->header();
      auto& streams = sources_[{label_of(header, "host"), label_of(header, "source")}];
      auto same = [&](auto& x) { return x.id == header.stream; };
      auto found = std::find_if(streams.begin(), streams.end(), same);
      if (found == streams.end())
        found = streams.insert(streams.end(), {header.stream, {}});
      found->frames.push_back({at, header, std::move(*text)});
      ++at.frame;
    }
  }
  return {};
}

std::string stored_streams::compare(const std::string& host, const std::string& source,
  const std::vector<written_file>& files, bool in_order, const droppable& may_go) {
  auto& streams = sources_[{host, source}];
  std::map<std::size_t, std::size_t> next; ///< Frame, by store.
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::string problem; // of the first in question
    auto found = std::find_if(streams.begin(), streams.end(), [&](auto& x) {
      if (x.is_taken)
        return false;
      auto differs = compare(x, files[i], may_go);
      problem = problem.empty() ? differs : problem;
      return differs.empty();
    });
    if (found == streams.end() && files[i].needed == 0)
      continue;
    if (found == streams.end() && problem.empty())
      problem = fmt::format("{} bytes were written, and nothing is stored", files[i].text.size());
    if (found == streams.end())
      return fmt::format("{}: {}: file {} of {}: {}", host, source, i + 1, files.size(), problem);
    found->is_taken = true;
    for (auto& x : found->frames)
      if (in_order && x.where.frame < next[x.where.store] && !is_elsewhere(*found, x))
        return fmt::format(
          "{}: {}: file {} of {} is stored before the end of the one before", host, source, i + 1, files.size());
    for (auto& x : found->frames)
      if (!is_elsewhere(*found, x))
        next[x.where.store] = x.where.frame + 1;
  }
  auto left = std::find_if(streams.begin(), streams.end(), [](auto& x) { return !x.is_taken; });
  if (left == streams.end())
    return {};
  return fmt::format("{}: {}: stream {} is stored as well, from byte {}", host, source, to_string(left->id),
    left->frames.front().header.position_begin);
}

/// Whether another store has it, too, and perhaps had it first: a shipper that has lost its checkpoints may ship it
/// once more, behind what came later.
bool stored_streams::is_elsewhere(const stream& in, const stored_frame& frame) {
  auto& [where, header, text] = frame;
  auto is_said = header.kind == frame_kind::gap && text == stored_elsewhere;
  return is_said || std::ranges::any_of(in.frames, [&](const stored_frame& x) {
    return x.where.store != where.store && x.header.position_begin < header.position_end &&
           header.position_begin < x.header.position_end;
  });
}

/// Whether it tells of lines that may go, and of as many as there were. The rest of a line that was cut went where its
/// beginning went.
std::string stored_streams::check_gap(const stored_frame& gap, std::string_view written, const droppable& may_go) {
  if (gap.text != reason_of(may_go.policy))
    return "a gap: " + gap.text;
  auto begin = gap.header.position_begin;
  auto text = written.substr(begin, gap.header.position_end - begin);
  auto is_rest = begin > 0 && written[begin - 1] != '\n';
  std::uint32_t lines = 0;
  std::size_t cuts = 0;
  for (; !text.empty(); ++lines, is_rest = false) {
    auto line = text.substr(0, text.find('\n') + 1);
    line = line.empty() ? text : line;
    if (may_go.policy == overload_policy::shed && !is_rest && severity_of(line) <= severity::warning)
      return "a gap, with a line that is severe";
    cuts += line.size() / may_go.max_record_bytes;
    text.remove_prefix(line.size());
  }
  auto counted = gap.header.record_count;
  return counted >= lines && counted <= lines + cuts
           ? ""
           : fmt::format("a gap of {} records, not {} and {} cuts", counted, lines, cuts);
}

std::string stored_streams::compare(const stream& found, const written_file& wanted, const droppable& may_go) {
  std::uint64_t dropped = 0;
  std::string_view text = wanted.text;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> stored;
  std::map<std::size_t, stream_point> last; // by store
  for (auto& x : found.frames) {
    auto& [where, header, content] = x;
    auto& before = last[where.store];
    auto range = fmt::format("frame {} of epoch {}, bytes {} to {}", header.sequence, header.epoch,
      header.position_begin, header.position_end);
    if (header.position_begin != before.position)
      return fmt::format("{} does not join what is stored up to {}", range, before.position);
    auto is_elsewhere = header.kind == frame_kind::gap && content == stored_elsewhere;
    auto is_behind = is_elsewhere ? header.epoch < before.epoch : header.end_point() <= before;
    if (is_behind) // another store may have counted from a later point on in the same epoch
      return fmt::format("{} stands behind frame {} of epoch {}", range, before.sequence, before.epoch);
    before = header.end_point();
    if (is_elsewhere)
      continue;
    if (wanted.epoch && header.epoch != *wanted.epoch)
      return fmt::format("{} should be of epoch {}", range, *wanted.epoch);
    if (header.position_end > text.size())
      return fmt::format("{} lies beyond the {} bytes that were written", range, text.size());
    auto covered = text.substr(header.position_begin, header.position_end - header.position_begin);
    if (header.kind == frame_kind::gap) {
      if (auto problem = check_gap(x, text, may_go); !problem.empty())
        return fmt::format("{} is {}", range, problem);
      dropped += header.record_count;
    } else if (covered != content)
      return fmt::format("{} has other bytes than were written", range);
    stored.emplace_back(header.position_begin, header.position_end);
  }
  std::sort(stored.begin(), stored.end());
  std::uint64_t end = 0;
  for (auto& range : stored) {
    if (range.first > end)
      return fmt::format("bytes {} to {} of {} are missing", end, range.first, text.size());
    end = std::max(end, range.second);
  }
  if (end >= wanted.needed) {
    dropped_records_ += dropped;
    return {};
  }
  return fmt::format("bytes from {} of {} are missing, {} are needed", end, text.size(), wanted.needed);
}

} // namespace sluice::test

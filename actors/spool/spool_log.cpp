#include "actors/spool/spool_log.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace sluice {

namespace {

constexpr std::uint64_t segments_per_spool = 16;

/// Every segment's header has an entry for each stream that is remembered.
constexpr std::size_t max_streams = 65'536;

store_options options_for(const spool_limits& limits) {
  store_options options;
  options.segment_bytes = std::max(limits.least_segment_bytes, limits.max_bytes / segments_per_spool);
  options.max_used_percent = limits.max_used_percent;
  options.max_streams = max_streams;
  return options;
}

spool_content content_of(const frame_header& x) {
  return {x.stored_records(), x.source_bytes()};
}

spool_content content_of(const frame_entry& x) {
  if (x.kind == frame_kind::gap)
    return {};
  return {x.record_count, x.last.position - x.position_begin};
}

/// A gap in the place of a frame of records.
expected<frame> gap_in_place_of(
  const frame_entry& x, const segment_index& index, std::string_view reason, timestamp now) {
  frame_header header;
  header.kind = frame_kind::gap;
  header.stream = index.streams[x.stream];
  header.labels = index.label_sets[x.labels];
  header.epoch = x.last.epoch;
  header.sequence = x.last.sequence;
  header.record_count = x.record_count;
  header.first_timestamp = header.last_timestamp = now;
  header.position_begin = x.position_begin;
  header.position_end = x.last.position;
  return frame::encode(std::move(header), as_bytes(reason));
}

/// A sealed segment like `from`, with gaps in the place of frames of records.
expected<buffer> without_records(const segment_reader& from, std::string_view reason, timestamp now) {
  auto content = encode_segment_header(from.header());
  segment_index_builder made;
  for (auto& entry : from.index().frames) {
    auto next = entry.kind == frame_kind::gap ? from.load(entry) : gap_in_place_of(entry, from.index(), reason, now);
    if (!next)
      return fail(next.error());
    made.add(next->header(), content.size());
    content.append(next->bytes());
  }
  content.append(encode_footer(made.index(), content.size()).view());
  return content;
}

/// Whether the receiver has what ends at `end`. It has not if another shipper has begun a greater epoch before that.
bool covers(const stream_point& point, const stream_point& end) {
  return point >= end && point.position >= end.position;
}

bool joins(const stream_point& last, const frame_entry& next) {
  auto is_next = next.last.epoch == last.epoch ? next.last.sequence == last.sequence + 1
                                               : next.last.epoch > last.epoch && next.last.sequence == 1;
  return is_next && next.position_begin == last.position;
}

bool is_damage(errc code) {
  return code != errc::io_error && code != errc::permission_denied && code != errc::not_found;
}

} // namespace

void spool_content::add(const spool_content& x) noexcept {
  records += x.records;
  bytes += x.bytes;
}

void spool_content::remove(const spool_content& x) noexcept {
  records -= x.records;
  bytes -= x.bytes;
}

expected<std::unique_ptr<spool_log>> spool_log::open(
  file_system& files, const std::filesystem::path& folder, const spool_limits& limits, timestamp now) {
  auto opened = store::open(files, folder, options_for(limits), now);
  if (!opened)
    return fail(opened.error());
  std::unique_ptr<spool_log> made{new spool_log{files, folder, limits, std::move(*opened)}};
  if (auto ok = made->look_around(); !ok)
    return fail(ok.error());
  return made;
}

/// Goes through the indexes of all segments.
expected<void> spool_log::look_around() {
  auto segments = list_segments(files_, folder_);
  if (!segments)
    return fail(segments.error());
  for (auto& x : *segments)
    segments_.push_back({x.number, 0});
  for (auto& x : segments_) {
    cursor_.go_to(x.number);
    auto index = cursor_.index();
    if (!index)
      return fail(index.error());
    x.bytes = cursor_.sealed_bytes();
    for (auto& entry : (*index)->frames) {
      auto id = (*index)->streams[entry.stream];
      auto [at, is_new] = streams_.try_emplace(id);
      at->second.newest = entry.last;
      count_in(at->second, content_of(entry));
      if (is_new) {
        at->second.first_epoch = entry.last.epoch;
        at->second.acked = {entry.last.epoch, entry.last.sequence - 1, entry.position_begin};
        found_.emplace_back(id, (*index)->label_sets[entry.labels]);
      }
    }
  }
  cursor_.go_to(segments_.front().number);
  return {};
}

spool_log::outbound& spool_log::at(const stream_id& id) {
  auto [at, is_new] = streams_.try_emplace(id);
  if (is_new)
    at->second.newest = at->second.acked = last(id);
  return at->second;
}

bool spool_log::has_room(std::size_t bytes) const {
  return disk_bytes() + bytes <= limits_.max_bytes || is_all_acknowledged();
}

std::vector<expected<ack>> spool_log::append(std::span<const frame> frames, timestamp now) {
  for (auto& x : frames)
    at(x.header().stream);
  auto answers = store_->commit(frames, now);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    auto& header = frames[i].header();
    auto& stream = at(header.stream);
    if (!answers[i] || header.end_point() <= stream.newest)
      continue;
    stream.newest = header.end_point();
    count_in(stream, content_of(header));
  }
  if (auto ok = follow_rotation(); !ok)
    spdlog::error("spool: {}", ok.error().message);
  return answers;
}

/// Takes note of the segments that the store has sealed and begun.
expected<void> spool_log::follow_rotation() {
  auto* active = store_->active();
  while (active && segments_.back().number < active->header().number) {
    auto sealed = files_.open(path_of(segments_.back().number), open_mode::read);
    auto info = sealed ? (*sealed)->info() : fail(sealed.error());
    if (info)
      segments_.back().bytes = info->size;
    segments_.push_back({segments_.back().number + 1, 0});
    if (!info)
      return fail(info.error());
  }
  return {};
}

expected<spool_content> spool_log::drop_oldest(std::string_view reason, timestamp now) {
  for (auto at = segments_.begin(); at + 1 < segments_.end(); ++at) {
    if (at->number <= cursor_.segment() || at->is_dropped)
      continue;
    auto opened = segment_reader::open(files_, path_of(at->number));
    if (!opened)
      return fail(opened.error());
    if (!is_untouched(opened->index()))
      continue;
    auto content = without_records(*opened, reason, now);
    if (!content)
      return fail(content.error());
    if (auto ok = replace_file(files_, path_of(at->number), content->text()); !ok)
      return fail(ok.error());
    at->bytes = content->size();
    at->is_dropped = true;
    spool_content dropped;
    for (auto& entry : opened->index().frames) {
      dropped.add(content_of(entry));
      count_out(streams_.at(opened->index().streams[entry.stream]), content_of(entry));
    }
    return dropped;
  }
  return spool_content{};
}

bool spool_log::is_untouched(const segment_index& segment) const {
  return std::ranges::all_of(segment.frames, [&](auto& x) {
    auto found = streams_.find(segment.streams[x.stream]);
    return found != streams_.end() && x.last > found->second.handed;
  });
}

void spool_log::resume(const stream_id& id, const stream_point& last) {
  acknowledge(id, last);
  auto& stream = at(id);
  for (auto& x : stream.in_flight)
    handed_on_bytes_ -= x.frame_bytes;
  stream.in_flight.clear();
  stream.resumed = true;
  stream.acked = last;
  if (stream.is_stuck || last < stream.handed)
    cursor_.go_to(segments_.front().number);
  stream.is_stuck = false;
  stream.handed = last;
}

void spool_log::acknowledge(const stream_id& id, const stream_point& last) {
  auto& stream = at(id);
  stream.acked = std::max(stream.acked, last);
  while (!stream.in_flight.empty() && covers(last, stream.in_flight.front().end)) {
    auto& first = stream.in_flight.front();
    handed_on_bytes_ -= first.frame_bytes;
    count_acked(stream, first.end, first.content);
    stream.in_flight.pop_front();
  }
}

void spool_log::count_acked(outbound& stream, const stream_point& end, const spool_content& content) {
  if (end <= stream.counted)
    return;
  stream.counted = end;
  count_out(stream, content);
}

void spool_log::count_in(outbound& stream, const spool_content& content) {
  stream.waiting.add(content);
  waiting_.add(content);
}

void spool_log::count_out(outbound& stream, const spool_content& content) {
  stream.waiting.remove(content);
  waiting_.remove(content);
}

void spool_log::forget(const stream_id& id) {
  if (auto found = streams_.find(id); found != streams_.end()) {
    waiting_.remove(found->second.waiting); // acknowledged, and not yet passed by the cursor
    streams_.erase(found);
  }
}

/// A failure leaves what was read before it to be handed on, and is met again.
expected<std::vector<frame>> spool_log::read(std::size_t window_bytes) {
  std::vector<frame> result;
  while (handed_on_bytes_ < window_bytes) {
    auto passed = pass_next(result);
    if (!passed && result.empty())
      return fail(passed.error());
    if (!passed || !*passed)
      break;
    cursor_.advance();
  }
  return result;
}

/// Returns false if nothing is left at the cursor for now.
expected<bool> spool_log::pass_next(std::vector<frame>& to) {
  auto entry = cursor_.next(segments_.back().number);
  if (!entry)
    return fail(entry.error());
  return *entry ? pass(**entry, to) : false;
}

/// Returns whether the entry at the cursor has had its turn; if it is to be handed on, its frame goes to `to`.
expected<bool> spool_log::pass(const frame_entry& entry, std::vector<frame>& to) {
  auto& id = (*cursor_.index())->streams[entry.stream];
  auto found = streams_.find(id);
  if (found == streams_.end())
    return true;
  auto& stream = found->second;
  if (!stream.resumed)
    return false;
  if (covers(stream.acked, entry.last))
    count_acked(stream, entry.last, content_of(entry));
  if (stream.is_stuck || covers(stream.handed, entry.last))
    return true;
  if (!joins(stream.handed, entry)) {
    get_stuck(id, stream, {errc::not_rereadable, "the receiver wants to go on before the first frame that is left"});
    return true;
  }
  auto begins_epoch = entry.last.sequence == 1;
  if (begins_epoch && !stream.in_flight.empty())
    return false;
  auto loaded = cursor_.load(entry);
  if (!loaded && !is_damage(loaded.error().code))
    return fail(loaded.error());
  if (!loaded) {
    get_stuck(id, stream, loaded.error());
    return true;
  }
  stream.handed = entry.last;
  stream.in_flight.push_back({entry.last, loaded->size(), content_of(entry)});
  handed_on_bytes_ += loaded->size();
  to.push_back(std::move(*loaded));
  return true;
}

void spool_log::get_stuck(const stream_id& id, outbound& stream, const error& reason) {
  stream.is_stuck = true;
  spdlog::error(
    "spool {}: stream {} cannot go on after byte {}: {}; what follows stays there, and `sluice query --store` "
    "gives it out",
    folder_.string(), to_string(id), stream.handed.position, reason.message);
}

std::filesystem::path spool_log::path_of(std::uint64_t segment) const {
  return folder_ / segment_name(segment);
}

std::optional<std::uint64_t> spool_log::handed_on_to(const stream_id& id) const {
  auto found = streams_.find(id);
  if (found == streams_.end() || !found->second.resumed)
    return std::nullopt;
  auto& stream = found->second;
  auto is_all = stream.is_stuck || covers(stream.handed, stream.newest);
  return is_all ? std::optional{stream.handed.position} : std::nullopt;
}

std::uint64_t spool_log::first_epoch(const stream_id& id) const {
  auto found = streams_.find(id);
  return found == streams_.end() ? 0 : found->second.first_epoch;
}

stream_point spool_log::acked(const stream_id& id) const {
  auto found = streams_.find(id);
  return found == streams_.end() ? last(id) : found->second.acked;
}

bool spool_log::is_acknowledged(const stream_id& id) const {
  auto found = streams_.find(id);
  return found == streams_.end() || covers(found->second.acked, found->second.newest);
}

bool spool_log::is_all_acknowledged() const {
  return std::ranges::all_of(streams_, [](auto& x) { return covers(x.second.acked, x.second.newest); });
}

std::uint64_t spool_log::disk_bytes() const {
  std::uint64_t bytes = 0;
  for (auto& x : segments_)
    bytes += x.bytes;
  auto* active = store_ ? store_->active() : nullptr;
  return active ? bytes + active->header().encoded_bytes() + active->body_bytes() : bytes;
}

expected<bool> spool_log::is_oldest_acknowledged() {
  if (!oldest_) {
    auto opened = segment_reader::open(files_, path_of(segments_.front().number));
    if (!opened)
      return fail(opened.error());
    oldest_.emplace();
    for (auto& x : opened->index().frames)
      (*oldest_)[opened->index().streams[x.stream]] = x.last;
  }
  return std::ranges::all_of(*oldest_, [this](auto& x) {
    auto found = streams_.find(x.first);
    return found == streams_.end() || covers(found->second.acked, x.second);
  });
}

expected<void> spool_log::reclaim(timestamp now) {
  if (store_->full() && is_all_acknowledged()) {
    if (auto ok = store_->seal(now); !ok)
      return ok;
    if (auto ok = follow_rotation(); !ok)
      return ok;
    cursor_.go_to(segments_.back().number);
  }
  while (segments_.front().number < cursor_.segment()) {
    auto done = is_oldest_acknowledged();
    if (!done)
      return fail(done.error());
    if (!*done)
      break;
    if (auto ok = files_.remove(path_of(segments_.front().number)); !ok)
      return ok;
    segments_.pop_front();
    oldest_.reset();
  }
  return {};
}

expected<void> spool_log::clear() {
  cursor_.go_to(segments_.back().number);
  while (!segments_.empty()) {
    if (auto ok = files_.remove(path_of(segments_.front().number)); !ok)
      return ok;
    segments_.pop_front();
  }
  waiting_ = {};
  auto synced = files_.sync_folder(folder_);
  store_.reset();
  return synced;
}

} // namespace sluice

#include "actors/storage/store.hpp"

#include <algorithm>
#include <deque>
#include <tuple>

#include <fmt/format.h>

#include "actors/storage/admission.hpp"
#include "actors/storage/gap_frame.hpp"
#include "actors/storage/store_identity.hpp"

namespace sluice {

namespace {

/// How much emptier than full the file system must be, in percent of it, before frames are accepted again.
constexpr unsigned hysteresis_percent = 5;

/// How many streams may wait for the first frame after what another store has of them; more go on where they end here.
constexpr std::size_t max_adopted = 65'536;

bool covers(const stream_point& point, const frame_header& header) {
  return std::tie(point.epoch, point.sequence) >= std::tie(header.epoch, header.sequence) &&
         point.position >= header.position_end;
}

/// Where a crash has torn an active segment. What stands before the last mark was on the disk when the mark was
/// written, so that only the payloads behind it need to be read. What cannot be read now may be whole: then this fails.
expected<std::optional<damage>> first_torn(const segment_reader& reader) {
  const auto& found = reader.found();
  const auto& frames = reader.index().frames;
  auto behind = std::ranges::partition_point(
    frames, [&](const frame_entry& entry) { return found.mark && entry.offset < *found.mark; });
  for (; behind != frames.end(); ++behind)
    if (auto loaded = reader.load(*behind); !loaded && is_file_error(loaded.error().code))
      return fail(loaded.error());
    else if (!loaded)
      return reader.at(behind->offset, loaded.error());
  return found.tail ? std::optional{reader.at(found.end, *found.tail)} : std::nullopt;
}

/// Makes a folder and those above it, and every name on the way durable: else all that is stored below would go with
/// one of them. Whether an earlier start has got that far, the identity tells, which is made behind it.
expected<void> make_durable_folder(file_system& files, const std::filesystem::path& folder) {
  if (files.info(folder / "id"))
    return {};
  if (auto ok = files.create_folders(folder); !ok)
    return ok;
  for (auto at = std::filesystem::absolute(folder).lexically_normal(); at.has_relative_path(); at = at.parent_path())
    if (auto ok = files.sync_folder(at.parent_path()); !ok && ok.error().code != errc::permission_denied)
      return ok; // what we may not even read was not made by us
  return {};
}

} // namespace

expected<std::unique_ptr<file_lock>> lock_store(file_system& files, const std::filesystem::path& folder) {
  auto lock = files.lock(folder / "lock");
  if (!lock && lock.error().code == errc::locked)
    return fail(errc::locked, fmt::format("store {} is in use: {}; stop the other process or name another folder",
                                folder.string(), lock.error().message));
  return lock;
}

expected<std::unique_ptr<store>> store::open(
  file_system& files, const std::filesystem::path& folder, const store_options& options, timestamp now) {
  if (auto ok = make_durable_folder(files, folder); !ok)
    return fail(ok.error().code, fmt::format("store {} cannot be made: {}", folder.string(), ok.error().message));
  auto lock = lock_store(files, folder);
  if (!lock)
    return fail(lock.error());
  std::unique_ptr<store> result{new store{files, folder, options}};
  result->lock_ = std::move(*lock);
  if (auto ok = result->recover(now); !ok)
    return fail(ok.error());
  return result;
}

expected<void> store::recover(timestamp now) {
  if (auto ok = remove_temporary_files(); !ok)
    return ok;
  auto identity = load_store_identity(files_, folder_);
  if (!identity)
    return fail(identity.error());
  identity_ = *identity;
  // An earlier process may have ended between making a name and syncing it.
  if (auto ok = files_.sync_folder(folder_); !ok)
    return ok;
  auto segments = list_segments(files_, folder_);
  if (!segments)
    return fail(segments.error());
  recovery_.segments = segments->size();
  if (segments->empty())
    return start_segment(now);
  next_number_ = segments->back().number + 1;
  auto reader = segment_reader::open(files_, segments->back().path);
  if (!reader)
    return fail(reader.error());
  for (const auto& entry : reader->header().streams)
    streams_[entry.stream] = {entry.last, entry.stored};
  if (!reader->is_sealed())
    return recover_active(std::move(*reader), now);
  if (auto ok = make_seal_durable(*reader); !ok)
    return ok;
  const auto& index = reader->index();
  for (const auto& entry : index.frames)
    advance(index.streams[entry.stream], entry.last, now);
  recovery_.streams = streams_.size();
  // On a full disk it is made once there is space.
  if (auto ok = noting_space(start_segment(now)); !ok && !full_)
    return ok;
  return {};
}

expected<void> store::remove_temporary_files() {
  auto names = files_.list(folder_);
  if (!names)
    return fail(names.error());
  for (const auto& name : *names)
    if (name.ends_with(".tmp"))
      if (auto ok = files_.remove(folder_ / name); !ok)
        return ok;
  return {};
}

expected<void> store::recover_active(segment_reader reader, timestamp now) {
  const auto& found = reader.found();
  if (!found.damages.empty())
    return fail(found.damages.front().reason.code,
      to_string(found.damages.front()) +
        "; the segment is corrupt before its end, where no crash can have cut it; `sluice store verify` shows what "
        "else is damaged, `sluice store repair` saves what is whole");
  auto torn = first_torn(reader);
  if (!torn)
    return fail(torn.error());
  auto& cut = *torn;
  auto kept = cut && cut->offset < found.end ? reader.scan(cut->offset) : expected<segment_scan>{found};
  if (!kept)
    return fail(kept.error());
  const auto& index = kept->frames.index();
  for (const auto& entry : index.frames)
    advance(index.streams[entry.stream], entry.last, now);
  if (cut)
    recovery_.cut = {*cut, reader.file_bytes() - cut->offset};
  recovery_.active = reader.path();
  recovery_.active_frames = index.frames.size();
  recovery_.streams = streams_.size();
  auto writer = segment_writer::resume(files_, reader.path(), reader.header(), std::move(*kept), options_.durability);
  if (!writer)
    return fail(writer.error());
  active_ = std::move(*writer);
  return {};
}

expected<void> store::make_seal_durable(const segment_reader& sealed) {
  if (options_.durability == durability::memory)
    return {};
  auto opened = files_.open(sealed.path(), open_mode::read_write);
  if (!opened)
    return fail(opened.error());
  return write_again(**opened, sealed.body_end(), sealed.file_bytes());
}

expected<void> store::close() {
  expected<void> done;
  if (active_) {
    done = active_->close();
    retire_active();
  }
  lock_.reset();
  return done;
}

stream_point store::last(const stream_id& stream) const {
  auto found = streams_.find(stream);
  return found == streams_.end() ? stream_point{} : found->second.last;
}

welcome store::greet(const hello& question) {
  auto mine = last(question.stream);
  adopted_.erase(question.stream);
  fence(question.stream, question.epoch);
  auto is_elsewhere = question.store != id128{} && question.store != identity_;
  auto gap_end = is_elsewhere ? adopted_gap_end(mine, question.last) : std::nullopt;
  if (gap_end && adopted_.size() < max_adopted)
    adopted_[question.stream] = {question.last, *gap_end};
  return {question.stream, next_joins(question.stream), identity_};
}

/// In memory only: what an older shipper has sent does not outlive the connections, and they do not outlive the store.
/// Of too many, one is forgotten: it holds for an older shipper only once the first newer frame is stored.
void store::fence(const stream_id& stream, std::uint64_t epoch) {
  if (epoch <= next_joins(stream).epoch)
    return;
  if (fences_.size() >= options_.max_streams)
    fences_.erase(fences_.begin());
  fences_[stream] = epoch;
}

stream_point store::next_joins(const stream_id& stream) const {
  auto adopted = adopted_.find(stream);
  auto point = adopted == adopted_.end() ? last(stream) : adopted->second.joins;
  auto fenced = fences_.find(stream);
  return fenced == fences_.end() || fenced->second <= point.epoch ? point
                                                                  : stream_point{fenced->second, 0, point.position};
}

std::optional<frame> store::gap_before(const frame_header& next, const stream_point& joins) const {
  auto adopted = adopted_.find(next.stream);
  if (adopted == adopted_.end() || next_joins(next.stream) != joins)
    return std::nullopt;
  frame_header like;
  like.stream = next.stream;
  like.labels = next.labels;
  like.record_count = 0;
  return make_gap(like, last(next.stream), adopted->second.gap_end, gap_reason::stored_elsewhere, next.first_timestamp);
}

std::vector<expected<ack>> store::commit(std::span<const frame> frames, timestamp now) {
  std::vector<expected<verdict>> verdicts;
  std::vector<const frame*> accepted;
  std::unordered_map<stream_id, stream_point> pending;
  std::deque<frame> gaps;
  verdicts.reserve(frames.size());
  for (const auto& each : frames) {
    const auto& header = each.header();
    auto& point = pending.try_emplace(header.stream, next_joins(header.stream)).first->second;
    verdicts.push_back(judge(point, header));
    if (verdicts.back() == verdict::store) {
      if (auto gap = gap_before(header, point))
        accepted.push_back(&gaps.emplace_back(std::move(*gap)));
      accepted.push_back(&each);
      point = header.end_point();
    }
  }
  auto written = noting_space(append(accepted, now));
  std::vector<expected<ack>> answers;
  answers.reserve(frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto& header = frames[i].header();
    auto durable = next_joins(header.stream);
    if (!verdicts[i])
      answers.push_back(fail(verdicts[i].error()));
    else if (verdicts[i] == verdict::store && !written && !covers(durable, header))
      answers.push_back(fail(written.error()));
    else
      answers.push_back(ack{header.stream, durable});
    counters_.duplicates += answers.back() && verdicts[i] == verdict::duplicate;
    counters_.refused += !answers.back();
  }
  return answers;
}

expected<void> store::append(std::span<const frame* const> frames, timestamp now) {
  if (frames.empty())
    return {};
  if (auto ok = check_space(); !ok)
    return ok;
  while (!frames.empty()) {
    if (auto ok = make_room(frames.front()->size(), now); !ok)
      return ok;
    auto run = frames.first(fitting(frames));
    if (auto ok = active_->append(run); !ok)
      return ok;
    for (const auto* stored : run) {
      advance(stored->header().stream, stored->header().end_point(), now);
      ++counters_.frames;
      counters_.records += stored->header().stored_records();
      counters_.bytes += stored->size();
    }
    frames = frames.subspan(run.size());
  }
  return {};
}

expected<void> store::check_space() {
  auto space = files_.space(folder_);
  if (!space)
    return fail(space.error());
  auto used = space->capacity == 0 ? 0 : (space->capacity - space->available) * 100 / space->capacity;
  auto limit = options_.max_used_percent - (full_ ? hysteresis_percent : 0);
  if (used < limit)
    full_.reset();
  else if (!full_)
    full_ = {errc::storage_full,
      fmt::format("the file system of store {} is {} % full, the limit is {} %: free some space or raise the limit",
        folder_.string(), used, options_.max_used_percent)};
  return full_ ? expected<void>{fail(*full_)} : expected<void>{};
}

expected<void> store::noting_space(expected<void> result) {
  if (!result && result.error().code == errc::storage_full && !full_)
    full_ = result.error();
  return result;
}

expected<void> store::make_room(std::size_t frame_bytes, timestamp now) {
  if (!active_)
    return start_segment(now);
  if (active_->has_frames() && (would_exceed(frame_bytes) || is_old(now)))
    return rotate(now);
  return {};
}

std::size_t store::fitting(std::span<const frame* const> frames) const {
  auto bytes = frames.front()->size();
  std::size_t count = 1;
  while (count < frames.size() && !would_exceed(bytes + frames[count]->size()))
    bytes += frames[count++]->size();
  return count;
}

bool store::would_exceed(std::size_t frame_bytes) const {
  return active_->body_bytes() + segment_limits::mark_bytes + frame_bytes > options_.segment_bytes;
}

bool store::is_old(timestamp now) const {
  return now - active_->header().created >= options_.segment_age;
}

expected<void> store::tend(timestamp now) {
  auto rotated = noting_space(rotate_if_old(now));
  retention::active_segment kept{next_number_, now, 0};
  if (active_)
    kept = {active_->header().number, active_->header().created, active_->bytes()};
  auto expired = retention_.apply(kept, now);
  auto space = check_space();
  if (!rotated)
    return rotated;
  return expired ? space : expired;
}

expected<void> store::seal(timestamp now) {
  return active_ && active_->has_frames() ? noting_space(rotate(now)) : expected<void>{};
}

expected<void> store::rotate_if_old(timestamp now) {
  if (active_ && active_->has_frames() && is_old(now))
    return rotate(now);
  return {};
}

expected<void> store::rotate(timestamp now) {
  if (auto ok = active_->seal(); !ok)
    return ok;
  retire_active();
  return start_segment(now);
}

expected<void> store::start_segment(timestamp now) {
  forget_oldest_streams();
  segment_header header{next_number_, now, {}};
  for (const auto& [stream, state] : streams_)
    header.streams.push_back({stream, state.last, state.stored});
  auto writer =
    segment_writer::create(files_, folder_ / segment_name(next_number_), std::move(header), options_.durability);
  if (!writer)
    return fail(writer.error());
  active_ = std::move(*writer);
  recovery_.active = active_->path();
  ++next_number_;
  ++counters_.segments;
  return {};
}

void store::forget_oldest_streams() {
  if (streams_.size() <= options_.max_streams)
    return;
  std::vector<std::pair<timestamp, stream_id>> by_age;
  for (const auto& [stream, state] : streams_)
    by_age.emplace_back(state.stored, stream);
  auto kept = by_age.end() - static_cast<std::ptrdiff_t>(options_.max_streams);
  std::nth_element(by_age.begin(), kept, by_age.end());
  for (auto at = by_age.begin(); at != kept; ++at)
    streams_.erase(at->second);
}

void store::advance(const stream_id& stream, const stream_point& last, timestamp now) {
  streams_[stream] = {last, now};
  adopted_.erase(stream);
  if (auto fenced = fences_.find(stream); fenced != fences_.end() && fenced->second <= last.epoch)
    fences_.erase(fenced);
}

void store::retire_active() {
  counters_.syncs += active_->syncs();
  active_.reset();
}

store_counters store::counters() const {
  auto result = counters_;
  result.syncs += active_ ? active_->syncs() : 0;
  result.expired = retention_.expired();
  return result;
}

} // namespace sluice

#include "actors/storage/store_repair.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "actors/storage/segment_rebuild.hpp"
#include "actors/storage/segment_salvage.hpp"
#include "actors/storage/store.hpp"
#include "actors/storage/store_identity.hpp"
#include "actors/storage/store_verification.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

constexpr std::size_t copied_at_once = 1024 * 1024;

expected<void> copy(file_system& files, const std::filesystem::path& from, const std::filesystem::path& to) {
  auto source = files.open(from, open_mode::read);
  if (!source)
    return fail(source.error());
  auto target = files.open(to, open_mode::create);
  if (!target)
    return fail(target.error());
  buffer bytes;
  bytes.resize(copied_at_once);
  for (std::uint64_t at = 0;;) {
    auto count = (*source)->read_at({bytes.data(), bytes.size()}, at);
    if (!count)
      return fail(count.error());
    if (*count == 0)
      break;
    const byte_view parts[] = {bytes.view().first(*count)};
    if (auto ok = (*target)->write_at(parts, at); !ok)
      return ok;
    at += *count;
  }
  return (*target)->sync().and_then([&] { return files.sync_folder(to.parent_path()); });
}

/// Keeps a copy of a damaged file beside it.
expected<std::filesystem::path> keep_broken(file_system& files, const std::filesystem::path& where) {
  auto kept = where;
  kept += ".broken";
  for (int number = 2; files.info(kept); ++number) {
    kept = where;
    kept += fmt::format(".broken.{}", number);
  }
  return copy(files, where, kept).map([&] { return kept; });
}

class store_repair {
public:
  store_repair(file_system& files, const std::filesystem::path& folder, timestamp now,
    const std::function<void(const std::string&)>& tell)
    : files_(files), folder_(folder), now_(now), tell_(tell),
      verification_(store_verification::depth::frames, [this](const damage& met) { tell_(to_string(met)); }) {}

  expected<repair_result> run() {
    if (auto ok = repair_identity(); !ok)
      return fail(ok.error());
    auto listed = list_segments(files_, folder_);
    if (!listed)
      return fail(listed.error());
    for (std::size_t i = 0; i < listed->size(); ++i) {
      auto next = i + 1 < listed->size() ? &(*listed)[i + 1] : nullptr;
      if (auto ok = repair((*listed)[i], next); !ok)
        return fail(ok.error());
    }
    return result_;
  }

private:
  expected<void> repair_identity() {
    auto identity = load_store_identity(files_, folder_);
    if (identity || identity.error().code != errc::malformed)
      return identity.map([](const id128&) {});
    tell_(identity.error().message);
    auto where = folder_ / "id";
    return keep_broken(files_, where)
      .and_then([&](const std::filesystem::path&) { return files_.remove(where); })
      .and_then([&] { return load_store_identity(files_, folder_); })
      .map([&](const id128& made) { tell_(fmt::format("{}: the store is now {}", where.string(), to_string(made))); });
  }

  expected<void> repair(const segment_file& segment, const segment_file* next) {
    ++result_.segments;
    auto before = verification_.knows_streams() ? std::optional{verification_.streams()} : std::nullopt;
    if (verification_.segment(files_, segment, next == nullptr)) {
      tell_(fmt::format("{}: whole", segment.path.string()));
      return {};
    }
    auto damaged = segment_salvage::open(files_, segment.path);
    if (!damaged)
      return fail(damaged.error());
    std::optional<segment_header> after;
    if (next != nullptr)
      if (auto header = read_segment_header(files_, next->path))
        after = std::move(*header);
    auto made = segment.path;
    made += ".tmp";
    auto header = new_header(segment, *damaged, before, after);
    if (!header)
      return fail(header.error());
    auto rebuild = segment_rebuild::begin(files_, made, std::move(*header));
    if (!rebuild)
      return fail(rebuild.error());
    return refill(*rebuild, *damaged, after, next == nullptr)
      .and_then([&] { return keep_broken(files_, segment.path); })
      .and_then([&](const std::filesystem::path& kept) {
        tell_(fmt::format("{}: written anew with {}, {} lost; the damaged file is kept as {}", segment.path.string(),
          counted(rebuild->kept_frames(), "frame"), rebuild->lost_frames(), kept.string()));
        return files_.rename(made, segment.path);
      })
      .and_then([&] { return files_.sync_folder(folder_); })
      .map([&] {
        ++result_.repaired;
        result_.lost_frames += rebuild->lost_frames();
        verification_.go_on(rebuild->streams());
      });
  }

  /// The header of the segment that takes the place of a damaged one: where the streams stood before it.
  expected<segment_header> new_header(const segment_file& segment, segment_salvage& damaged,
    const std::optional<stream_points>& before, const std::optional<segment_header>& after) {
    segment_header header{segment.number, damaged.header() ? damaged.header()->created : now_, {}};
    if (!before && damaged.header()) {
      header.streams = damaged.header()->streams;
      return header;
    }
    auto points = before ? expected<stream_points>{*before} : guess_before(damaged, after);
    if (!points)
      return fail(points.error());
    for (const auto& [stream, last] : *points)
      header.streams.push_back({stream, last, now_});
    return header;
  }

  /// Where the streams stood before a segment whose header is lost, and of which no other segment tells: where their
  /// first frames begin, and for those without any where they stood after it.
  expected<stream_points> guess_before(segment_salvage& damaged, const std::optional<segment_header>& after) {
    stream_points points;
    auto note = [&](const frame_header& x) {
      points.try_emplace(x.stream, stream_point{x.epoch, x.sequence - 1, x.position_begin});
    };
    auto read = damaged.run({[&](const frame& x) {
                               note(x.header());
                               return expected<void>{};
                             },
                              note, [](std::uint64_t) {}},
      false);
    if (!read)
      return fail(read.error());
    if (after)
      for (const auto& entry : after->streams)
        points.try_emplace(entry.stream, entry.last);
    std::erase_if(points, [](const auto& each) { return each.second.sequence == 0 && each.second.position == 0; });
    return points;
  }

  expected<void> refill(
    segment_rebuild& rebuild, segment_salvage& damaged, const std::optional<segment_header>& after, bool is_last) {
    // What is missing before this segment, because others are missing.
    auto ready = damaged.header() ? rebuild.catch_up(damaged.header()->streams) : expected<void>{};
    return ready
      .and_then([&] {
        return damaged.run(
          {[&](const frame& x) { return rebuild.add(x); }, [&](const frame_header& x) { rebuild.lose(x); },
            [&](std::uint64_t bytes) { result_.lost_bytes += after ? 0 : bytes; }},
          is_last);
      })
      .and_then([&] { return after ? rebuild.catch_up(after->streams) : expected<void>{}; })
      .and_then([&] { return rebuild.finish(); });
  }

  file_system& files_;
  const std::filesystem::path& folder_;
  timestamp now_;
  const std::function<void(const std::string&)>& tell_;
  store_verification verification_;
  repair_result result_;
};

} // namespace

expected<repair_result> repair_store(file_system& files, const std::filesystem::path& folder, timestamp now,
  const std::function<void(const std::string&)>& tell) {
  if (auto there = list_segments_of_store(files, folder); !there)
    return fail(there.error());
  auto lock = lock_store(files, folder);
  if (!lock)
    return fail(lock.error());
  return store_repair{files, folder, now, tell}.run();
}

} // namespace sluice

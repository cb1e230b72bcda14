#include "actors/query/query.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <re2/re2.h>
#include <string.h> // memmem

#include "transport/payload_codec.hpp"

namespace sluice {

namespace {

/// Finds a text within records that lie one behind the other in one block, searching the block once.
class block_search {
public:
  block_search(std::string_view block, std::string_view wanted) : block_(block), wanted_(wanted), hit_(find(0)) {}

  bool has_hit() const { return hit_ != block_.npos; }

  /// Whether `part` of the block, behind all parts asked for before, contains what is wanted.
  bool is_in(std::string_view part) {
    auto begin = static_cast<std::size_t>(part.data() - block_.data());
    if (hit_ < begin)
      hit_ = find(begin);
    return hit_ <= begin + part.size() && wanted_.size() <= begin + part.size() - hit_;
  }

private:
  std::size_t find(std::size_t from) const {
    const auto* begin = block_.data() + from;
    const auto* hit = ::memmem(begin, block_.size() - from, wanted_.data(), wanted_.size());
    return hit == nullptr ? block_.npos : static_cast<std::size_t>(static_cast<const char*>(hit) - block_.data());
  }

  std::string_view block_;
  std::string_view wanted_;
  std::size_t hit_;
};

class query_run {
public:
  query_run(const query_options& options, record_sink& sink, const std::function<void(const damage&)>& on_damage)
    : options_(options), sink_(sink), on_damage_(on_damage) {
    if (!options.match.empty())
      expression_ = std::make_unique<RE2>(options.match, RE2::Quiet);
  }

  expected<void> check() const {
    if (!expression_ || expression_->ok())
      return {};
    return fail(
      errc::invalid_argument, fmt::format("regular expression '{}': {}", options_.match, expression_->error()));
  }

  bool is_done() const { return done_; }
  const query_stats& stats() const { return stats_; }

  void segment(file_system& files, const std::filesystem::path& where) {
    auto reader = segment_reader::open(files, where);
    if (!reader) {
      // Retention has removed it since the folder was listed.
      if (reader.error().code != errc::not_found)
        report({where, 0, reader.error()});
      return;
    }
    const auto& damages = reader->found().damages;
    auto damage = damages.begin();
    std::vector<bool> wanted_labels;
    for (const auto& labels : reader->index().label_sets)
      wanted_labels.push_back(matches(labels));
    for (const auto& entry : reader->index().frames) {
      for (; damage != damages.end() && damage->offset < entry.offset; ++damage)
        report(*damage);
      if (done_)
        return;
      ++stats_.frames;
      if (wanted_labels[entry.labels] && overlaps(entry.first_timestamp, entry.last_timestamp))
        if (!read(*reader, entry))
          return;
    }
    std::for_each(damage, damages.end(), [this](auto& each) { report(each); });
  }

private:
  bool matches(const label_set& labels) const {
    return std::ranges::all_of(options_.labels, [&](const auto& wanted) {
      const auto* value = labels.find(wanted.first);
      return value != nullptr && *value == wanted.second;
    });
  }

  bool is_in_time(timestamp time) const {
    return (!options_.since || time >= *options_.since) && (!options_.until || time < *options_.until);
  }

  bool overlaps(timestamp first, timestamp last) const {
    return (!options_.since || last >= *options_.since) && (!options_.until || first < *options_.until);
  }

  /// False where an active segment ends.
  bool read(const segment_reader& reader, const frame_entry& entry) {
    ++stats_.frames_read;
    auto loaded = reader.load(entry);
    if (!loaded && !reader.is_settled(entry))
      return false;
    auto given = loaded.and_then([this](const frame& from) { return give(from); });
    if (!given)
      report(reader.at(entry.offset, given.error()));
    return true;
  }

  expected<void> give(const frame& from) {
    const auto& header = from.header();
    if (header.kind == frame_kind::gap) {
      ++stats_.gaps;
      done_ = !sink_.gap(header, as_text(from.payload()));
      return {};
    }
    auto payload = decompressor_.decompress(header, from.payload());
    if (!payload)
      return fail(payload.error());
    auto records = record_reader::open(*payload, header.record_count);
    if (!records)
      return fail(records.error());
    if (sink_.takes_lines() && records->is_lines() && is_wanted_whole(header)) {
      stats_.records += header.record_count;
      done_ = !sink_.lines(header, records->bodies(), header.record_count) || stats_.records == limit();
      return {};
    }
    return filter(header, *records);
  }

  bool is_wanted_whole(const frame_header& header) const {
    return is_in_time(header.first_timestamp) && is_in_time(header.last_timestamp) && !options_.level &&
           options_.contains.empty() && !expression_ && header.record_count <= limit() - stats_.records;
  }

  expected<void> filter(const frame_header& header, record_reader& records) {
    block_search search{records.bodies(), options_.contains};
    if (!search.has_hit())
      return {};
    for (std::uint32_t index = 0; !done_; ++index) {
      const auto* record = records.next();
      if (record == nullptr)
        return records.failure() ? expected<void>{fail(*records.failure())} : expected<void>{};
      if (!is_in_time(record->time) || (options_.level && (!record->level || *record->level > *options_.level)) ||
          !search.is_in(record->body) ||
          (expression_ && !RE2::PartialMatch({record->body.data(), record->body.size()}, *expression_)))
        continue;
      ++stats_.records;
      done_ = !sink_.record(header, *record, index) || stats_.records == limit();
    }
    return {};
  }

  std::uint64_t limit() const {
    return options_.limit == 0 ? std::numeric_limits<std::uint64_t>::max() : options_.limit;
  }

  void report(const damage& met) {
    ++stats_.corrupt;
    on_damage_(met);
  }

  const query_options& options_;
  record_sink& sink_;
  const std::function<void(const damage&)>& on_damage_;
  std::unique_ptr<RE2> expression_;
  payload_decompressor decompressor_;
  query_stats stats_;
  bool done_ = false;
};

} // namespace

bool record_sink::lines(const frame_header&, std::string_view, std::uint32_t) {
  return true;
}

expected<query_stats> run_query(file_system& files, const std::filesystem::path& folder, const query_options& options,
  record_sink& sink, const std::function<void(const damage&)>& on_damage) {
  query_run run{options, sink, on_damage};
  if (auto ok = run.check(); !ok)
    return fail(ok.error());
  auto segments = list_segments_of_store(files, folder);
  if (!segments)
    return fail(segments.error());
  for (const auto& segment : *segments) {
    if (run.is_done())
      break;
    run.segment(files, segment.path);
  }
  return run.stats();
}

} // namespace sluice

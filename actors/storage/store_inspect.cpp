#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "actors/storage/store_check.hpp"
#include "actors/text/json_text.hpp"
#include "actors/text/time_text.hpp"

namespace sluice {

namespace {

using streams_by_id = std::map<stream_id, stream_summary>;

void widen(segment_summary& summary, timestamp first, timestamp last) {
  summary.first_timestamp = std::min(summary.first_timestamp.value_or(first), first);
  summary.last_timestamp = std::max(summary.last_timestamp.value_or(last), last);
}

segment_summary summarize(const segment_reader& reader) {
  const auto& index = reader.index();
  segment_summary result;
  result.number = reader.header().number;
  result.is_sealed = reader.is_sealed();
  result.created = reader.header().created;
  result.frames = index.frames.size();
  result.records = index.records;
  result.stored_bytes = reader.file_bytes();
  result.decoded_bytes = index.decoded_bytes;
  result.streams = index.streams.size();
  for (const auto& entry : index.frames) {
    if (entry.kind == frame_kind::records) {
      widen(result, entry.first_timestamp, entry.last_timestamp);
    } else {
      ++result.gaps;
      result.gap_records += entry.record_count;
    }
  }
  return result;
}

void add(segment_summary& total, const segment_summary& part) {
  ++total.number;
  total.frames += part.frames;
  total.records += part.records;
  total.gaps += part.gaps;
  total.gap_records += part.gap_records;
  total.stored_bytes += part.stored_bytes;
  total.decoded_bytes += part.decoded_bytes;
  if (part.first_timestamp)
    widen(total, *part.first_timestamp, *part.last_timestamp);
}

void collect(streams_by_id& streams, const segment_reader& reader) {
  for (const auto& entry : reader.header().streams)
    streams[entry.stream].last = entry.last;
  const auto& index = reader.index();
  for (const auto& entry : index.frames) {
    auto& stream = streams[index.streams[entry.stream]];
    stream.last = entry.last;
    stream.labels = index.label_sets[entry.labels];
  }
}

double ratio(const segment_summary& summary) {
  return summary.stored_bytes == 0
           ? 0.0
           : static_cast<double>(summary.decoded_bytes) / static_cast<double>(summary.stored_bytes);
}

std::string table_row(std::string_view name, std::string_view state, const segment_summary& summary) {
  auto time = [](const std::optional<timestamp>& t) { return t ? format_timestamp(*t) : std::string{"-"}; };
  return fmt::format("{:>8}  {:<6}  {:>10}  {:>12}  {:>8}  {:>12}  {:>14}  {:>14}  {:>6.2f}  {:>7}  {:<30}  {:<30}\n",
    name, state, summary.frames, summary.records, summary.gaps, summary.gap_records, summary.stored_bytes,
    summary.decoded_bytes, ratio(summary), summary.streams, time(summary.first_timestamp),
    time(summary.last_timestamp));
}

void append_time(std::string& out, std::string_view key, const std::optional<timestamp>& time) {
  out += time ? fmt::format(R"(,"{}":"{}")", key, format_timestamp(*time)) : fmt::format(R"(,"{}":null)", key);
}

std::string json_numbers(const segment_summary& summary) {
  auto result = fmt::format(
    R"("frames":{},"records":{},"gaps":{},"gap_records":{},"stored_bytes":{},"decoded_bytes":{},"ratio":{:.4f},"streams":{})",
    summary.frames, summary.records, summary.gaps, summary.gap_records, summary.stored_bytes, summary.decoded_bytes,
    ratio(summary), summary.streams);
  append_time(result, "first_timestamp", summary.first_timestamp);
  append_time(result, "last_timestamp", summary.last_timestamp);
  return result;
}

std::string json_stream(const stream_summary& each) {
  auto result = fmt::format(R"({{"stream":"{}","epoch":{},"sequence":{},"position":{},"labels":{{)",
    to_string(each.stream), each.last.epoch, each.last.sequence, each.last.position);
  for (auto separator = ""; const auto& [key, value] : each.labels) {
    result += std::exchange(separator, ",");
    append_json_string(result, key);
    result += ':';
    append_json_string(result, value);
  }
  return result + "}}";
}

template <class Range, class F>
void append_list(std::string& out, const Range& range, F to_text) {
  out += '[';
  for (auto separator = ""; const auto& each : range) {
    out += std::exchange(separator, ",");
    out += to_text(each);
  }
  out += ']';
}

} // namespace

expected<store_summary> inspect_store(file_system& files, const std::filesystem::path& folder) {
  auto segments = list_segments_of_store(files, folder);
  if (!segments)
    return fail(segments.error());
  store_summary result;
  streams_by_id streams;
  for (const auto& segment : *segments) {
    auto reader = segment_reader::open(files, segment.path);
    if (!reader) {
      // Retention has removed it since the folder was listed.
      if (reader.error().code != errc::not_found)
        result.damages.push_back({segment.path, 0, reader.error()});
      continue;
    }
    const auto& damages = reader->found().damages;
    result.damages.insert(result.damages.end(), damages.begin(), damages.end());
    result.segments.push_back(summarize(*reader));
    add(result.total, result.segments.back());
    collect(streams, *reader);
  }
  for (auto& [id, stream] : streams) {
    stream.stream = id;
    result.streams.push_back(std::move(stream));
  }
  result.total.streams = result.streams.size();
  return result;
}

std::string to_table(const store_summary& summary) {
  auto result =
    fmt::format("{:>8}  {:<6}  {:>10}  {:>12}  {:>8}  {:>12}  {:>14}  {:>14}  {:>6}  {:>7}  {:<30}  {:<30}\n",
      "segment", "state", "frames", "records", "gaps", "dropped", "stored bytes", "decoded bytes", "ratio", "streams",
      "first record", "last record");
  for (const auto& segment : summary.segments)
    result += table_row(fmt::format("{}", segment.number), segment.is_sealed ? "sealed" : "active", segment);
  result += table_row("total", "", summary.total);
  for (const auto& each : summary.streams)
    result += fmt::format("\nstream {}\n  epoch {}, frame {}, position {}\n  {}\n", to_string(each.stream),
      each.last.epoch, each.last.sequence, each.last.position, to_string(each.labels));
  for (const auto& damage : summary.damages)
    result += fmt::format("\n{}\n", to_string(damage));
  return result;
}

std::string to_json(const store_summary& summary) {
  std::string result = R"({"segments":)";
  append_list(result, summary.segments, [](const segment_summary& each) {
    return fmt::format(R"({{"number":{},"state":"{}","created":"{}",{}}})", each.number,
      each.is_sealed ? "sealed" : "active", format_timestamp(each.created), json_numbers(each));
  });
  result += R"(,"streams":)";
  append_list(result, summary.streams, json_stream);
  result +=
    fmt::format(R"(,"total":{{"segments":{},{}}},"damages":)", summary.total.number, json_numbers(summary.total));
  append_list(result, summary.damages, [](const damage& each) {
    std::string text;
    append_json_string(text, to_string(each));
    return text;
  });
  return result + "}\n";
}

} // namespace sluice

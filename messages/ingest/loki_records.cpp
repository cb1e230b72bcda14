#include "messages/ingest/loki_records.hpp"

#include <charconv>

#include <fmt/format.h>

#include "loki_push.pb.h"
#include "messages/ingest/json_document.hpp"
#include "messages/ingest/loki_labels.hpp"
#include "messages/ingest/wire_fields.hpp"
#include "messages/rfc3339.hpp"

namespace sluice {

namespace {

namespace json = boost::json;

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

constexpr auto too_many = "an entry has labels and metadata beyond 64, 256 bytes a name and 64 KiB a value";

bool names_severity(std::string_view key) {
  return key == "level" || key == "detected_level" || key == "severity";
}

/// Makes the records of one stream after the other.
class loki_stream {
public:
  loki_stream(timestamp now, const ingest_take& take) : now_(now), take_(take) {}

  void begin() {
    record_.attributes.clear();
    labels_ = 0;
  }

  void label(std::string_view name, std::string_view value) {
    record_.attributes.emplace_back(name, value);
    ++labels_;
  }

  /// What belongs to the next entry alone.
  void metadata(std::string_view name, std::string_view value) { record_.attributes.emplace_back(name, value); }

  expected<void> entry(std::optional<timestamp> time, std::string_view line) {
    record_.time = time.value_or(now_);
    record_.body = line;
    record_.level.reset();
    for (auto& [name, value] : record_.attributes)
      if (!record_.level && names_severity(name))
        record_.level = parse_ingest_severity(value);
    if (!fits(record_))
      return fail(errc::too_large, too_many);
    take_(record_);
    ++counts_.records;
    record_.attributes.resize(labels_);
    return {};
  }

  const ingest_counts& counts() const noexcept { return counts_; }

private:
  timestamp now_;
  const ingest_take& take_;
  record_view record_;
  std::size_t labels_ = 0;
  ingest_counts counts_;
};

expected<void> bad(std::string_view what) {
  return fail(errc::malformed, std::string{what});
}

// -- JSON -----------------------------------------------------------------------

expected<std::optional<timestamp>> time_of(const json::value& value) {
  std::int64_t ns = 0;
  if (auto* text = value.if_string()) {
    auto digits = view(*text);
    auto [end, failure] = std::from_chars(digits.begin(), digits.end(), ns);
    if (digits.empty() || end != digits.end() || failure == std::errc::invalid_argument)
      return fail(errc::malformed, "a timestamp is a number of nanoseconds in quotes");
    if (failure != std::errc{})
      return std::nullopt;
  } else if (auto* number = value.if_int64()) {
    ns = *number;
  } else {
    return fail(errc::malformed, "a timestamp is a number of nanoseconds in quotes");
  }
  return timestamp{std::chrono::nanoseconds{ns}};
}

template <class Add>
bool add_pairs(const json::value& from, Add add) {
  auto* pairs = from.if_object();
  for (auto at = pairs ? pairs->begin() : nullptr; pairs && at != pairs->end(); ++at) {
    auto* value = at->value().if_string();
    if (!value)
      return false;
    auto name = at->key();
    add(std::string_view{name.data(), name.size()}, view(*value));
  }
  return pairs;
}

expected<void> add_entry(const json::value& from, loki_stream& to) {
  auto* fields = from.if_array();
  auto* line = fields && (fields->size() == 2 || fields->size() == 3) ? (*fields)[1].if_string() : nullptr;
  if (!line)
    return bad(R"(an entry is ["time", "line"] or ["time", "line", {metadata}])");
  auto time = time_of((*fields)[0]);
  if (!time)
    return fail(time.error());
  auto add = [&to](std::string_view name, std::string_view value) { to.metadata(name, value); };
  if (fields->size() == 3 && !add_pairs((*fields)[2], add))
    return bad("metadata is an object of strings");
  return to.entry(*time, view(*line));
}

expected<void> add_stream(const json::value& from, loki_stream& to) {
  auto* stream = from.if_object();
  auto* labels = stream ? stream->if_contains("stream") : nullptr;
  auto* values = stream ? stream->if_contains("values") : nullptr;
  if (!labels || !values || !values->is_array())
    return bad(R"(a stream is {"stream": {labels}, "values": [entries]})");
  to.begin();
  if (!add_pairs(*labels, [&to](std::string_view name, std::string_view value) { to.label(name, value); }))
    return bad("labels are an object of strings");
  for (auto& entry : values->get_array())
    if (auto added = add_entry(entry, to); !added)
      return added;
  return {};
}

// -- protobuf ---------------------------------------------------------------------

namespace wire {

constexpr int streams = 1; // of a request
constexpr int labels = 1;  // of a stream
constexpr int entries = 2;
constexpr int metadata = 3; // of an entry

} // namespace wire

std::optional<timestamp> time_of(const loki::Entry& from) {
  auto& time = from.timestamp();
  if (!from.has_timestamp() || time.nanos() < 0 || time.nanos() > 999'999'999)
    return std::nullopt;
  return timestamp_from(time.seconds(), time.nanos());
}

class wire_reader {
public:
  wire_reader(timestamp now, const ingest_take& take) : stream_(now, take) {}

  expected<ingest_counts> read(std::string_view body) {
    auto is_whole = for_each_wire_field(
      body, [this](int number, std::string_view bytes) { return number != wire::streams || add_stream(bytes); });
    if (failure_)
      return fail(*failure_);
    if (!is_whole)
      return fail(errc::malformed, "the body is no push request in protobuf");
    return stream_.counts();
  }

private:
  bool add_stream(std::string_view bytes) {
    labels_.clear();
    if (!for_each_wire_field(bytes, [this](int number, std::string_view text) {
          return number != wire::labels ||
                 keep(parse_loki_labels(text).map([this](loki_labels found) { labels_ = std::move(found); }));
        }))
      return false;
    stream_.begin();
    for (auto& [name, value] : labels_)
      stream_.label(name, value);
    return for_each_wire_field(
      bytes, [this](int number, std::string_view entry) { return number != wire::entries || add_entry(entry); });
  }

  bool add_entry(std::string_view bytes) {
    if (has_more_wire_fields(bytes, wire::metadata, payload_limits::max_attributes))
      return keep(fail(errc::too_large, too_many));
    if (!read_wire_message(bytes, entry_))
      return false;
    for (auto& pair : entry_.structured_metadata())
      stream_.metadata(pair.name(), pair.value());
    return keep(stream_.entry(time_of(entry_), entry_.line()));
  }

  bool keep(const expected<void>& outcome) {
    if (!outcome)
      failure_ = outcome.error();
    return outcome.has_value();
  }

  loki_stream stream_;
  loki_labels labels_;
  loki::Entry entry_;
  std::optional<error> failure_;
};

} // namespace

expected<ingest_counts> read_loki_json(std::string_view body, timestamp now, const ingest_take& take) {
  json_document document;
  auto parsed = document.parse(body);
  if (!parsed)
    return fail(parsed.error());
  auto* request = (*parsed)->if_object();
  auto* streams = request ? request->if_contains("streams") : nullptr;
  if (!streams || !streams->is_array())
    return fail(errc::malformed, R"(a push request is {"streams": [...]})");
  auto walk = [&](const ingest_take& to) -> expected<ingest_counts> {
    loki_stream stream{now, to};
    for (auto& each : streams->get_array())
      if (auto added = add_stream(each, stream); !added)
        return fail(added.error());
    return stream.counts();
  };
  return check_then_take(walk, take);
}

expected<ingest_counts> read_loki_protobuf(std::string_view body, timestamp now, const ingest_take& take) {
  return check_then_take([&](const ingest_take& to) { return wire_reader{now, to}.read(body); }, take);
}

} // namespace sluice

#include "messages/ingest/text_records.hpp"

#include <fmt/format.h>

#include "messages/ingest/json_values.hpp"

namespace sluice {

namespace {

/// Gives records of JSON texts away, and counts them.
class json_records {
public:
  json_records(timestamp now, json_form form, const ingest_take& take) : now_(now), reader_(form), take_(take) {}

  /// Does nothing if it fails. Errors: malformed, too_large.
  expected<void> add(std::string_view text) {
    auto found = reader_.read(text, now_, record_);
    if (!found)
      return fail(found.error());
    give(*found == json_record_reader::result::unparsed);
    return {};
  }

  void add_as_it_came(std::string_view text) {
    take_as_it_came(text, now_, record_);
    give(true);
  }

  const ingest_counts& counts() const noexcept { return counts_; }

private:
  void give(bool is_unparsed) {
    ++counts_.records;
    counts_.unparsed += is_unparsed;
    take_(record_);
  }

  timestamp now_;
  json_record_reader reader_;
  const ingest_take& take_;
  record_view record_;
  ingest_counts counts_;
};

} // namespace

ingest_counts read_text(std::string_view body, timestamp now, const ingest_take& take) {
  ingest_counts counts;
  record_view record;
  record.time = now;
  for_each_line(body, [&](std::string_view line) {
    record.body = line;
    ++counts.records;
    take(record);
  });
  return counts;
}

ingest_counts read_ndjson(std::string_view body, timestamp now, json_form form, const ingest_take& take) {
  json_records records{now, form, take};
  for_each_line(body, [&](std::string_view line) {
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    if (line.find_first_not_of(" \t\r") == line.npos)
      return;
    if (!records.add(line))
      records.add_as_it_came(line);
  });
  return records.counts();
}

expected<ingest_counts> read_json(std::string_view body, timestamp now, json_form form, const ingest_take& take) {
  auto walk = [&](const ingest_take& to) -> expected<ingest_counts> {
    json_records records{now, form, to};
    expected<void> added;
    auto rest =
      for_each_json_value(body, [&](std::string_view value) { return (added = records.add(value)).has_value(); });
    if (!added && added.error().code == errc::too_large)
      return fail(added.error());
    if (!rest.empty())
      return fail(errc::malformed, fmt::format("no JSON from byte {} on", body.size() - rest.size()));
    return records.counts();
  };
  return check_then_take(walk, take);
}

} // namespace sluice

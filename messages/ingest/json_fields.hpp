#pragma once

#include <optional>

#include <boost/json/object.hpp>

#include "messages/ingest/json_texts.hpp"
#include "messages/record_codec.hpp"

namespace sluice {

/// RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their magnitude.
std::optional<timestamp> parse_ingest_time(std::string_view text);

/// The same of a string or a number.
std::optional<timestamp> json_timestamp(const boost::json::value& value);

/// A name or a number of docs/specs/http-ingest.md.
std::optional<severity> json_severity(const boost::json::value& value);

/// Sets time and severity of `record` from the members with the names of docs/specs/http-ingest.md, if they have them.
void read_time_and_severity(const boost::json::object& from, record_view& record);

/// Takes objects apart into records. Not thread-safe.
class json_fields {
public:
  /// Sets everything of `record` that `from` has a field for, which holds until the next call and while `from` does.
  /// False if it has no body; `record` is of no use then.
  bool read(const boost::json::object& from, record_view& record);

private:
  json_texts texts_;
};

} // namespace sluice

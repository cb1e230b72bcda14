#pragma once

#include "messages/ingest/ingest.hpp"
#include "messages/ingest/json_record_reader.hpp"

namespace sluice {

/// One record a line. Cannot fail.
ingest_counts read_text(std::string_view body, timestamp now, const ingest_take& take);

/// One record a line, whatever is in it. Cannot fail.
ingest_counts read_ndjson(std::string_view body, timestamp now, json_form form, const ingest_take& take);

/// One record for each value, and for each element of an array.
expected<ingest_counts> read_json(std::string_view body, timestamp now, json_form form, const ingest_take& take);

} // namespace sluice

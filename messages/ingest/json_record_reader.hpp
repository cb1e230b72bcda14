#pragma once

#include <string_view>

#include "messages/ingest/json_document.hpp"
#include "messages/ingest/json_fields.hpp"

namespace sluice {

/// Whether objects are taken apart into fields.
enum class json_form { as_it_came, fields };

/// Makes records of JSON texts (docs/specs/http-ingest.md, "Records"), one at a time. Not thread-safe.
class json_record_reader {
public:
  enum class result {
    parsed,
    unparsed, ///< JSON, but no record can hold its fields, so it is taken as it came.
  };

  explicit json_record_reader(json_form form) : form_(form) {}

  /// Sets `record`, which holds until the next call and while `text` does. Errors, which leave it as it is: malformed,
  /// too_large.
  expected<result> read(std::string_view text, timestamp now, record_view& record);

private:
  json_form form_;
  json_document document_;
  json_fields fields_;
};

/// The whole text as body, and nothing else.
void take_as_it_came(std::string_view text, timestamp now, record_view& record);

} // namespace sluice

#pragma once

#include "messages/ingest/attributes.hpp"
#include "messages/ingest/json_document.hpp"
#include "messages/ingest/json_texts.hpp"

namespace sluice {

/// Makes attributes of the members of JSON objects (docs/specs/transforms.md, `parse_json`). Not thread-safe.
class json_attributes {
public:
  /// Sets attributes of `to`, which hold until the next call and while `text` does. If not all could be set, `to` is of
  /// no use.
  attribute_outcome read(std::string_view text, std::string_view prefix, attribute_list& to);

private:
  bool set_members(const boost::json::object& of, std::string_view prefix, attribute_list& to);

  json_document document_;
  json_texts texts_;
};

} // namespace sluice

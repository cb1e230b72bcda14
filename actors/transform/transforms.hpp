#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "actors/text/byte_pattern.hpp"
#include "messages/ingest/key_values.hpp"
#include "messages/label_set.hpp"

/// What is to be done to records on their way (docs/specs/transforms.md). Plain data; cheap to copy.

namespace sluice {

struct parse_json_transform {
  std::string field; ///< Empty: the body.
  std::string prefix;
};

struct parse_key_value_transform {
  std::string field; ///< Empty: the body.
  std::string prefix;
  key_value_form form;
};

struct set_severity_transform {
  std::string from;
};

struct set_timestamp_transform {
  std::string from;
};

struct drop_transform {
  byte_pattern match;
  std::string field; ///< Empty: the body.
};

struct redact_transform {
  byte_pattern match;
  std::string with = "****"; ///< As RE2 rewrites it.
  std::string field;         ///< Empty: the body and all attributes.
};

struct sample_transform {
  std::uint64_t keep_one_in = 1;
};

using record_transform = std::variant<parse_json_transform, parse_key_value_transform, set_severity_transform,
  set_timestamp_transform, drop_transform, redact_transform, sample_transform>;

struct transform_config {
  label_set labels; ///< Added to those of every stream.
  std::vector<record_transform> records;

  bool empty() const noexcept { return labels.empty() && records.empty(); }
};

inline constexpr std::size_t max_transforms = 64;

} // namespace sluice

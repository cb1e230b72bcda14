#pragma once

#include <string>

#include <boost/json/value.hpp>

#include "otlp_logs.pb.h"

namespace sluice {

/// `value` as docs/specs/http-ingest.md says: a string or bytes as they are, nothing as nothing, all else as JSON.
std::string otlp_text(const otlp::Value& value);

/// Reads `from`, written as the JSON of OTLP. False if it is not.
bool read_otlp_value(const boost::json::value& from, otlp::Value& to);

/// Reads an array of `{"key": ..., "value": ...}`; null stands for none. False if it is something else.
bool read_otlp_fields(const boost::json::value& from, google::protobuf::RepeatedPtrField<otlp::Field>& to);

/// A 64 bit number, in quotes or not.
bool read_otlp_number(const boost::json::value& from, std::int64_t& to);
bool read_otlp_number(const boost::json::value& from, std::uint64_t& to);

} // namespace sluice

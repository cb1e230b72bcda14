#include "messages/ingest/otlp_values.hpp"

#include <charconv>
#include <cmath>

#include <boost/json/serialize.hpp>

#include "messages/ingest/base64.hpp"

namespace sluice {

namespace {

namespace json = boost::json;

json::value to_json(const otlp::Value& value);

json::value to_json(const otlp::Fields& fields) {
  json::object made;
  for (auto& field : fields.values())
    made[field.key()] = to_json(field.value());
  return made;
}

json::value to_json(const otlp::List& list) {
  json::array made;
  for (auto& each : list.values())
    made.push_back(to_json(each));
  return made;
}

json::value to_json(double number) {
  if (std::isfinite(number))
    return number;
  return json::string{std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity"};
}

json::value to_json(const otlp::Value& value) {
  switch (value.kind_case()) {
  case otlp::Value::kStringValue:
    return json::string{value.string_value()};
  case otlp::Value::kBoolValue:
    return value.bool_value();
  case otlp::Value::kIntValue:
    return value.int_value();
  case otlp::Value::kDoubleValue:
    return to_json(value.double_value());
  case otlp::Value::kArrayValue:
    return to_json(value.array_value());
  case otlp::Value::kKvlistValue:
    return to_json(value.kvlist_value());
  case otlp::Value::kBytesValue:
    return json::string{base64_encode(value.bytes_value())};
  case otlp::Value::KIND_NOT_SET:
    break;
  }
  return nullptr;
}

template <class Number>
bool read_number(const json::value& from, Number& to) {
  if (auto* text = from.if_string()) {
    auto [end, failure] = std::from_chars(text->begin(), text->end(), to);
    return failure == std::errc{} && end == text->end();
  }
  json::error_code failure;
  to = from.to_number<Number>(failure);
  return !failure;
}

bool read_double(const json::value& from, double& to) {
  auto* text = from.if_string();
  if (!text)
    return read_number(from, to);
  if (*text == "NaN")
    to = std::nan("");
  else if (*text == "Infinity")
    to = INFINITY;
  else if (*text == "-Infinity")
    to = -INFINITY;
  else
    return read_number(from, to);
  return true;
}

bool read_bytes(const json::value& from, otlp::Value& to) {
  auto* text = from.if_string();
  auto bytes = text ? base64_decode({text->data(), text->size()}) : std::nullopt;
  if (bytes)
    to.set_bytes_value(std::move(*bytes));
  return bytes.has_value();
}

bool read_list(const json::value& from, otlp::List& to) {
  auto* object = from.if_object();
  auto* values = object ? object->if_contains("values") : nullptr;
  if (!values)
    return object;
  auto* array = values->if_array();
  if (!array)
    return false;
  for (auto& each : *array)
    if (!read_otlp_value(each, *to.add_values()))
      return false;
  return true;
}

bool read_object(const json::value& from, otlp::Fields& to) {
  auto* object = from.if_object();
  auto* values = object ? object->if_contains("values") : nullptr;
  return object && (!values || read_otlp_fields(*values, *to.mutable_values()));
}

bool read_kind(std::string_view kind, const json::value& from, otlp::Value& to) {
  if (kind == "stringValue") {
    auto* text = from.if_string();
    if (text)
      to.set_string_value(text->data(), text->size());
    return text;
  }
  if (kind == "boolValue") {
    auto* flag = from.if_bool();
    to.set_bool_value(flag && *flag);
    return flag;
  }
  if (kind == "intValue") {
    std::int64_t number = 0;
    auto is_number = read_otlp_number(from, number);
    to.set_int_value(number);
    return is_number;
  }
  if (kind == "doubleValue") {
    double number = 0;
    auto is_number = read_double(from, number);
    to.set_double_value(number);
    return is_number;
  }
  if (kind == "arrayValue")
    return read_list(from, *to.mutable_array_value());
  if (kind == "kvlistValue")
    return read_object(from, *to.mutable_kvlist_value());
  return kind != "bytesValue" || read_bytes(from, to);
}

} // namespace

std::string otlp_text(const otlp::Value& value) {
  switch (value.kind_case()) {
  case otlp::Value::kStringValue:
    return value.string_value();
  case otlp::Value::kBytesValue:
    return value.bytes_value();
  case otlp::Value::KIND_NOT_SET:
    return {};
  default:
    return json::serialize(to_json(value));
  }
}

bool read_otlp_value(const json::value& from, otlp::Value& to) {
  if (from.is_null())
    return true;
  auto* object = from.if_object();
  if (!object)
    return false;
  for (auto& [key, value] : *object)
    if (!read_kind({key.data(), key.size()}, value, to))
      return false;
  return true;
}

bool read_otlp_fields(const json::value& from, google::protobuf::RepeatedPtrField<otlp::Field>& to) {
  if (from.is_null())
    return true;
  auto* array = from.if_array();
  if (!array)
    return false;
  for (auto& each : *array) {
    auto* object = each.if_object();
    auto* key = object ? object->if_contains("key") : nullptr;
    if (!key || !key->is_string())
      return false;
    auto& field = *to.Add();
    field.set_key(key->get_string().data(), key->get_string().size());
    if (auto* value = object->if_contains("value"); value && !read_otlp_value(*value, *field.mutable_value()))
      return false;
  }
  return true;
}

bool read_otlp_number(const json::value& from, std::int64_t& to) {
  return read_number(from, to);
}

bool read_otlp_number(const json::value& from, std::uint64_t& to) {
  return read_number(from, to);
}

} // namespace sluice

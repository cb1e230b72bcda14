#include "messages/ingest/otlp_records.hpp"

#include <deque>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "messages/ingest/base64.hpp"
#include "messages/ingest/json_document.hpp"
#include "messages/ingest/otlp_values.hpp"
#include "messages/ingest/wire_fields.hpp"

namespace sluice {

namespace {

namespace json = boost::json;

constexpr auto not_otlp = "the body is no export request with logs";

std::optional<severity> severity_of(const otlp::Record& from) {
  auto number = from.severity_number();
  if (number < 1 || number > 24)
    return parse_ingest_severity(from.severity_text());
  constexpr std::pair<int, severity> least[] = {{21, severity::emergency}, {19, severity::alert},
    {18, severity::critical}, {17, severity::error}, {13, severity::warning}, {10, severity::notice},
    {9, severity::informational}};
  for (auto& [from_number, level] : least)
    if (number >= from_number)
      return level;
  return severity::debug;
}

std::optional<timestamp> time_of(const otlp::Record& from) {
  auto ns = from.time_unix_nano() != 0 ? from.time_unix_nano() : from.observed_time_unix_nano();
  auto is_time = ns != 0 && ns <= static_cast<std::uint64_t>(INT64_MAX);
  return is_time ? std::optional{timestamp{std::chrono::nanoseconds{static_cast<std::int64_t>(ns)}}} : std::nullopt;
}

/// Makes records of what stands in resources and scopes.
class otlp_stream {
public:
  otlp_stream(timestamp now, const ingest_take& take) : now_(now), take_(take) {}

  void resource(const otlp::Resource& from) {
    common_.clear();
    for (auto& field : from.attributes()) {
      if (common_.size() > payload_limits::max_attributes)
        break; // no record can have them all
      common_.emplace_back("resource." + field.key(), otlp_text(field.value()));
    }
    resource_fields_ = common_.size();
  }

  void scope(const otlp::Scope& from) {
    common_.resize(resource_fields_);
    if (!from.name().empty())
      common_.emplace_back("scope.name", from.name());
    if (!from.version().empty())
      common_.emplace_back("scope.version", from.version());
  }

  void record(const otlp::Record& from) {
    if (common_.size() + static_cast<std::size_t>(from.attributes_size()) > payload_limits::max_attributes)
      return refuse();
    texts_.clear();
    record_.attributes.clear();
    record_.time = time_of(from).value_or(now_);
    record_.level = severity_of(from);
    record_.body = keep(otlp_text(from.body()));
    for (auto& [key, value] : common_)
      record_.attributes.emplace_back(key, value);
    for (auto& field : from.attributes())
      record_.attributes.emplace_back(field.key(), keep(otlp_text(field.value())));
    add("trace_id", keep(hex_encode(from.trace_id())));
    add("span_id", keep(hex_encode(from.span_id())));
    add("severity_text", from.severity_text());
    add("event_name", from.event_name());
    give();
  }

  const ingest_counts& counts() const noexcept { return counts_; }

private:
  void add(std::string_view key, std::string_view value) {
    if (!value.empty())
      record_.attributes.emplace_back(key, value);
  }

  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  void give() {
    if (!fits(record_))
      return refuse();
    ++counts_.records;
    take_(record_);
  }

  void refuse() {
    ++counts_.refused;
    counts_.refusal = "records have attributes beyond 64, 256 bytes a key and 64 KiB a value";
  }

  timestamp now_;
  const ingest_take& take_;
  std::vector<std::pair<std::string, std::string>> common_; ///< Of resource and scope.
  std::size_t resource_fields_ = 0;
  std::deque<std::string> texts_; ///< Of the record.
  record_view record_;
  ingest_counts counts_;
};

// -- protobuf ---------------------------------------------------------------------

namespace wire {

constexpr int resource_logs = 1; // of a request
constexpr int resource = 1;      // of resource_logs
constexpr int scope_logs = 2;
constexpr int scope = 1; // of scope_logs
constexpr int log_records = 2;

} // namespace wire

/// Calls `take` with each field `wanted`.
template <class Take>
bool each(std::string_view message, int wanted, Take take) {
  return for_each_wire_field(
    message, [wanted, &take](int number, std::string_view bytes) { return number != wanted || take(bytes); });
}

class wire_reader {
public:
  explicit wire_reader(otlp_stream& to) : to_(to) {}

  bool read(std::string_view request) {
    return each(request, wire::resource_logs, [this](std::string_view logs) { return read_resource(logs); });
  }

private:
  bool read_resource(std::string_view logs) {
    resource_.Clear();
    if (!each(logs, wire::resource, [this](std::string_view bytes) { return read_wire_message(bytes, resource_); }))
      return false;
    to_.resource(resource_);
    return each(logs, wire::scope_logs, [this](std::string_view bytes) { return read_scope(bytes); });
  }

  bool read_scope(std::string_view logs) {
    scope_.Clear();
    if (!each(logs, wire::scope, [this](std::string_view bytes) { return read_wire_message(bytes, scope_); }))
      return false;
    to_.scope(scope_);
    return each(logs, wire::log_records, [this](std::string_view bytes) {
      if (!read_wire_message(bytes, record_))
        return false;
      to_.record(record_);
      return true;
    });
  }

  otlp_stream& to_;
  otlp::Resource resource_;
  otlp::Scope scope_;
  otlp::Record record_;
};

// -- JSON -----------------------------------------------------------------------

bool read(const json::value& from, std::string& to) {
  auto* text = from.if_string();
  if (text)
    to.assign(text->data(), text->size());
  return text;
}

bool read_id(const json::value& from, std::string& to) {
  std::string text;
  auto id = read(from, text) ? hex_decode(text) : std::nullopt;
  to = id.value_or(std::string{});
  return id.has_value();
}

bool read_time(const json::value& from, std::uint64_t& to) {
  return read_otlp_number(from, to);
}

/// The member `key` by `read`, if it is there and not null.
template <class Read>
bool optional_member(const json::object& from, json::string_view key, Read read) {
  auto* found = from.if_contains(key);
  return !found || found->is_null() || read(*found);
}

/// Each element of the array `key`, as an object.
template <class Read>
bool each_object(const json::object& from, json::string_view key, Read read) {
  return optional_member(from, key, [&read](const json::value& found) {
    auto* array = found.if_array();
    if (!array)
      return false;
    for (auto& element : *array)
      if (auto* object = element.if_object(); !object || !read(*object))
        return false;
    return true;
  });
}

bool read_record(const json::object& from, otlp::Record& to) {
  std::uint64_t time = 0, observed = 0;
  std::int64_t number = 0;
  auto text = [&from](json::string_view key, std::string& into) {
    return optional_member(from, key, [&into](auto& x) { return read(x, into); });
  };
  auto id = [&from](json::string_view key, std::string& into) {
    return optional_member(from, key, [&into](auto& x) { return read_id(x, into); });
  };
  to.Clear();
  auto is_record =
    optional_member(from, "timeUnixNano", [&](auto& x) { return read_time(x, time); }) &&
    optional_member(from, "observedTimeUnixNano", [&](auto& x) { return read_time(x, observed); }) &&
    optional_member(from, "severityNumber", [&](auto& x) { return read_otlp_number(x, number); }) &&
    text("severityText", *to.mutable_severity_text()) && text("eventName", *to.mutable_event_name()) &&
    id("traceId", *to.mutable_trace_id()) && id("spanId", *to.mutable_span_id()) &&
    optional_member(from, "body", [&](auto& x) { return read_otlp_value(x, *to.mutable_body()); }) &&
    optional_member(from, "attributes", [&](auto& x) { return read_otlp_fields(x, *to.mutable_attributes()); });
  to.set_time_unix_nano(time);
  to.set_observed_time_unix_nano(observed);
  to.set_severity_number(number >= 1 && number <= 24 ? static_cast<std::int32_t>(number) : 0);
  return is_record;
}

class json_reader {
public:
  explicit json_reader(otlp_stream& to) : to_(to) {}

  bool read(const json::value& request) {
    auto* object = request.if_object();
    return object && each_object(*object, "resourceLogs", [this](auto& logs) { return read_resource(logs); });
  }

private:
  bool read_resource(const json::object& logs) {
    resource_.Clear();
    auto is_resource = optional_member(logs, "resource", [this](auto& from) {
      auto* object = from.if_object();
      return object && optional_member(*object, "attributes",
                         [this](auto& x) { return read_otlp_fields(x, *resource_.mutable_attributes()); });
    });
    to_.resource(resource_);
    return is_resource && each_object(logs, "scopeLogs", [this](auto& scope) { return read_scope(scope); });
  }

  bool read_scope(const json::object& logs) {
    scope_.Clear();
    auto is_scope = optional_member(logs, "scope", [this](auto& from) {
      auto* object = from.if_object();
      auto text = [object](json::string_view key, std::string& into) {
        return optional_member(*object, key, [&into](auto& x) { return sluice::read(x, into); });
      };
      return object && text("name", *scope_.mutable_name()) && text("version", *scope_.mutable_version());
    });
    to_.scope(scope_);
    return is_scope && each_object(logs, "logRecords", [this](auto& from) {
      if (!read_record(from, record_))
        return false;
      to_.record(record_);
      return true;
    });
  }

  otlp_stream& to_;
  otlp::Resource resource_;
  otlp::Scope scope_;
  otlp::Record record_;
};

/// Reads by `Reader` from `request`, in any form that it takes.
template <class Reader, class Request>
expected<ingest_counts> read_all(const Request& request, timestamp now, const ingest_take& take) {
  auto walk = [&](const ingest_take& to) -> expected<ingest_counts> {
    otlp_stream stream{now, to};
    if (!Reader{stream}.read(request))
      return fail(errc::malformed, not_otlp);
    return stream.counts();
  };
  return check_then_take(walk, take);
}

std::string quoted(std::string_view text) {
  return json::serialize(json::string_view{text.data(), text.size()});
}

} // namespace

expected<ingest_counts> read_otlp(
  std::string_view body, otlp_encoding encoding, timestamp now, const ingest_take& take) {
  if (encoding == otlp_encoding::protobuf)
    return read_all<wire_reader>(body, now, take);
  json_document document;
  auto parsed = document.parse(body);
  return parsed ? read_all<json_reader>(**parsed, now, take) : fail(parsed.error());
}

std::string otlp_answer(const ingest_counts& counts, otlp_encoding encoding) {
  if (encoding == otlp_encoding::json) {
    if (counts.refused == 0)
      return "{}";
    return fmt::format(R"({{"partialSuccess":{{"rejectedLogRecords":"{}","errorMessage":{}}}}})", counts.refused,
      quoted(counts.refusal));
  }
  otlp::Answer answer;
  if (counts.refused > 0) {
    answer.mutable_partial_success()->set_rejected_log_records(static_cast<std::int64_t>(counts.refused));
    answer.mutable_partial_success()->set_error_message(counts.refusal);
  }
  return answer.SerializeAsString();
}

std::string otlp_status(std::string_view message, otlp_encoding encoding) {
  if (encoding == otlp_encoding::json)
    return fmt::format(R"({{"message":{}}})", quoted(message));
  otlp::Status status;
  status.set_message(std::string{message});
  return status.SerializeAsString();
}

} // namespace sluice

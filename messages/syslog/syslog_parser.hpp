#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "messages/record_codec.hpp"

namespace sluice {

enum class syslog_format : std::uint8_t { rfc5424, rfc3164, unparsed };

/// Makes records of syslog messages (docs/specs/syslog.md, "Record"; RFC 5424 section 6, RFC 3164 section 4). Keeps its
/// scratch memory from one to the next. Not thread-safe.
class syslog_parser {
public:
  /// `utc_offset`: the zone of timestamps that name none, east of UTC.
  explicit syslog_parser(std::chrono::seconds utc_offset = {}) : utc_offset_(utc_offset) {}

  /// Fills `record` with views into `message`, static memory, and that of the parser; valid until the next call. What
  /// has no form that it knows becomes the body as it is.
  syslog_format parse(std::string_view message, timestamp received_at, record_view& record);

private:
  bool parse_rfc5424(std::string_view text, timestamp received_at, record_view& record);
  void parse_rfc3164(std::string_view text, timestamp received_at, record_view& record) const;
  bool take_structured_data(std::string_view& text, record_view& record);
  bool take_element(std::string_view& text, record_view& record);
  std::string_view take_value(std::string_view& text);
  std::string_view keep(std::string_view id, std::string_view name);

  std::chrono::seconds utc_offset_;
  std::string scratch_; ///< Never grows while a record views it.
};

} // namespace sluice

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "messages/record_codec.hpp"
#include "messages/syslog/local_zone.hpp"

namespace sluice {

enum class syslog_format : std::uint8_t { rfc5424, rfc3164, unparsed };

/// Makes records of syslog messages (docs/specs/syslog.md, "Record"; RFC 5424 section 6, RFC 3164 section 4). Keeps its
/// scratch memory from one to the next. Not thread-safe.
class syslog_parser {
public:
  /// `zone`: of timestamps that name none; without it UTC.
  explicit syslog_parser(local_zone::ask_offset zone = [](auto) { return std::chrono::seconds{}; })
    : zone_(std::move(zone)) {}

  /// Fills `record` with views into `message`, static memory, and that of the parser; valid until the next call. What
  /// has no form that it knows becomes the body as it is.
  syslog_format parse(std::string_view message, timestamp received_at, record_view& record);

private:
  bool parse_rfc5424(std::string_view text, timestamp received_at, record_view& record);
  void parse_rfc3164(std::string_view text, timestamp received_at, record_view& record);
  bool take_structured_data(std::string_view& text, record_view& record);
  bool take_element(std::string_view& text, record_view& record);
  std::string_view take_value(std::string_view& text);
  std::string_view keep(std::string_view id, std::string_view name);

  local_zone zone_;
  std::string scratch_; ///< Never grows while a record views it.
};

} // namespace sluice

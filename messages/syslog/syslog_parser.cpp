#include "messages/syslog/syslog_parser.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "messages/rfc3339.hpp"
#include "messages/syslog/rfc3164_time.hpp"

namespace sluice {

namespace {

constexpr std::array<std::string_view, 24> facilities = {"kern", "user", "mail", "daemon", "auth", "syslog", "lpr",
  "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3",
  "local4", "local5", "local6", "local7"};

constexpr std::size_t max_word_bytes = 255;
constexpr std::size_t max_tag_bytes = 64;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool skip(std::string_view& text, char wanted) noexcept {
  if (!text.starts_with(wanted))
    return false;
  text.remove_prefix(1);
  return true;
}

std::string_view take(std::string_view& text, std::size_t bytes) noexcept {
  auto taken = text.substr(0, bytes);
  text.remove_prefix(taken.size());
  return taken;
}

/// `<0>` to `<191>`.
std::optional<unsigned> take_priority(std::string_view& text) noexcept {
  if (!skip(text, '<'))
    return std::nullopt;
  time_scanner in{text};
  auto value = in.digits(1, 3);
  if (!value || *value > 191 || !in.skip('>'))
    return std::nullopt;
  text = in.rest();
  return static_cast<unsigned>(*value);
}

void set_priority(unsigned priority, record_view& record) {
  record.level = severity{static_cast<std::uint8_t>(priority % 8)};
  record.attributes.emplace_back("facility", facilities[priority / 8]);
}

/// A word of the header and the space behind it; empty if there is none, or if it is too long.
std::string_view take_word(std::string_view& text) noexcept {
  auto end = text.find(' ');
  if (end == text.npos || end > max_word_bytes)
    return {};
  auto word = take(text, end);
  text.remove_prefix(1);
  return word;
}

void take_hostname(std::string_view& text, record_view& record) {
  auto rest = text;
  auto word = take_word(rest);
  if (word.empty() || word.ends_with(':') || word.find('[') != word.npos)
    return;
  record.attributes.emplace_back("hostname", word);
  text = rest;
}

/// `tag:`, `tag[id]:`, or `tag[number]` before a space.
void take_tag(std::string_view& text, record_view& record) {
  auto rest = text;
  auto tag = take(rest, std::min(rest.find_first_of(" :[]"), rest.size()));
  if (tag.empty() || tag.size() > max_tag_bytes)
    return;
  std::string_view id;
  if (skip(rest, '[')) {
    id = take(rest, std::min(rest.find_first_of("]"), rest.size()));
    if (id.size() > max_tag_bytes || !skip(rest, ']'))
      return;
  }
  auto is_number = !id.empty() && id.find_first_not_of("0123456789") == id.npos;
  if (!skip(rest, ':') && !(is_number && rest.starts_with(' ')))
    return;
  skip(rest, ' ');
  record.attributes.emplace_back("appname", tag);
  if (!id.empty())
    record.attributes.emplace_back("procid", id);
  text = rest;
}

} // namespace

syslog_format syslog_parser::parse(std::string_view message, timestamp received_at, record_view& record) {
  record.time = received_at;
  record.terminated = true;
  record.attributes.clear();
  auto text = message;
  if (auto priority = take_priority(text)) {
    set_priority(*priority, record);
    if (!text.starts_with("1 ")) {
      parse_rfc3164(text, received_at, record);
      return syslog_format::rfc3164;
    }
    if (parse_rfc5424(text.substr(2), received_at, record))
      return syslog_format::rfc5424;
  }
  record.time = received_at;
  record.level.reset();
  record.attributes.clear();
  record.body = message;
  return syslog_format::unparsed;
}

// -- RFC 5424 ---------------------------------------------------------------------------------------------------------

bool syslog_parser::parse_rfc5424(std::string_view text, timestamp received_at, record_view& record) {
  auto time = take_word(text);
  if (time != "-") {
    time_scanner in{time};
    auto found = in.date_time();
    if (!found || !in.at_end())
      return false;
    record.time = *found;
  } else {
    record.time = received_at;
  }
  for (std::string_view key : {"hostname", "appname", "procid", "msgid"}) {
    auto word = take_word(text);
    if (word.empty())
      return false;
    if (word != "-")
      record.attributes.emplace_back(key, word);
  }
  if (!skip(text, '-') && !take_structured_data(text, record))
    return false;
  if (!text.empty() && !skip(text, ' '))
    return false;
  if (text.starts_with(byte_order_mark))
    text.remove_prefix(byte_order_mark.size());
  record.body = text;
  return true;
}

bool syslog_parser::take_structured_data(std::string_view& text, record_view& record) {
  scratch_.clear();
  scratch_.reserve(text.size() + payload_limits::max_attributes * payload_limits::max_attribute_key_bytes);
  if (!text.starts_with('['))
    return false;
  while (skip(text, '['))
    if (!take_element(text, record))
      return false;
  return true;
}

/// `ID NAME="VALUE" …]`.
bool syslog_parser::take_element(std::string_view& text, record_view& record) {
  auto id = take(text, std::min(text.find_first_of(" ]=\""), text.size()));
  if (id.empty() || id.size() > max_word_bytes)
    return false;
  if (text.starts_with(']'))
    record.attributes.emplace_back(id, std::string_view{});
  while (skip(text, ' ')) {
    auto name = take(text, std::min(text.find_first_of(" ]=\""), text.size()));
    auto key_bytes = id.size() + 1 + name.size();
    if (name.empty() || key_bytes > payload_limits::max_attribute_key_bytes || !skip(text, '=') || !skip(text, '"'))
      return false;
    auto key = keep(id, name);
    auto value = take_value(text);
    if (!skip(text, '"') || value.size() > payload_limits::max_attribute_value_bytes)
      return false;
    if (record.attributes.size() == payload_limits::max_attributes)
      return false;
    record.attributes.emplace_back(key, value);
  }
  return skip(text, ']') && record.attributes.size() <= payload_limits::max_attributes;
}

/// Up to the quote that ends it. Only `"`, `\` and `]` are escaped; before anything else `\` stands for itself
/// (section 6.3.3).
std::string_view syslog_parser::take_value(std::string_view& text) {
  auto end = std::min(text.find_first_of("\"\\"), text.size());
  if (!text.substr(end).starts_with('\\'))
    return take(text, end);
  auto begin = scratch_.size();
  while (!text.empty() && text.front() != '"') {
    if (text.size() > 1 && text.front() == '\\' && (text[1] == '"' || text[1] == '\\' || text[1] == ']'))
      text.remove_prefix(1);
    scratch_ += text.front();
    text.remove_prefix(1);
  }
  return std::string_view{scratch_}.substr(begin);
}

std::string_view syslog_parser::keep(std::string_view id, std::string_view name) {
  auto begin = scratch_.size();
  scratch_.append(id).append(1, '.').append(name);
  return std::string_view{scratch_}.substr(begin);
}

// -- RFC 3164 ---------------------------------------------------------------------------------------------------------

void syslog_parser::parse_rfc3164(std::string_view text, timestamp received_at, record_view& record) {
  if (auto time = take_rfc3164_time(text, received_at, zone_)) {
    record.time = *time;
    take_hostname(text, record);
  }
  take_tag(text, record);
  record.body = text;
}

} // namespace sluice

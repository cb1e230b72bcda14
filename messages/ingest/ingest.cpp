#include "messages/ingest/ingest.hpp"

#include <algorithm>

#include "messages/ingest/attributes.hpp"

namespace sluice {

bool fits(const record_view& record) noexcept {
  return record.attributes.size() <= payload_limits::max_attributes &&
         std::ranges::all_of(record.attributes, [](auto& x) { return fits(x.first, x.second); });
}

std::size_t bytes_of(const record_view& record) noexcept {
  auto bytes = record.body.size() + sizeof record.time;
  for (auto& [key, value] : record.attributes)
    bytes += key.size() + value.size();
  return bytes;
}

bool is_in_any_case(std::string_view text, std::string_view name) noexcept {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::ranges::equal(text, name, {}, lower);
}

std::optional<severity> parse_ingest_severity(std::string_view text) noexcept {
  if (auto known = parse_severity(text))
    return known;
  if (is_in_any_case(text, "trace"))
    return severity::debug;
  if (is_in_any_case(text, "fatal"))
    return severity::critical;
  return std::nullopt;
}

} // namespace sluice

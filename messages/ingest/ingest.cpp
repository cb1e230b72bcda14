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

std::optional<severity> parse_ingest_severity(std::string_view text) noexcept {
  if (auto known = parse_severity(text))
    return known;
  auto is = [text](std::string_view name) {
    return std::ranges::equal(text, name, [](char a, char b) { return (a | 0x20) == b; });
  };
  if (is("trace"))
    return severity::debug;
  if (is("fatal"))
    return severity::critical;
  return std::nullopt;
}

} // namespace sluice

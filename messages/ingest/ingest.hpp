#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "messages/errc.hpp"
#include "messages/record_codec.hpp"

/// What the readers of docs/specs/http-ingest.md share. All are pure functions from the body of a request to records.
/// One that fails has given no record away. Errors: malformed and too_large, with a sentence for the client.

namespace sluice {

/// The record holds until this returns.
using ingest_take = std::function<void(const record_view& record)>;

/// What became of a request.
struct ingest_counts {
  std::uint64_t records = 0;  ///< Given away.
  std::uint64_t unparsed = 0; ///< Of these, stored as they came, for they have no form that is known.
  std::uint64_t refused = 0;  ///< Not given away; the format lets us say so.
  std::string refusal;        ///< Why, of the first.
};

/// Whether the attributes are within the bounds of a record.
bool fits(const record_view& record) noexcept;

/// Whether `text` is `name`, which is in lower case, in whatever case.
bool is_in_any_case(std::string_view text, std::string_view name) noexcept;

/// The names of RFC 5424, `trace` and `fatal`.
std::optional<severity> parse_ingest_severity(std::string_view text) noexcept;

/// What the records of one request may take together. Formats that say once what many records have in common could
/// otherwise make very much of a small request.
inline constexpr std::size_t max_request_record_bytes = 64 * 1024 * 1024;

/// What a record takes, about.
std::size_t bytes_of(const record_view& record) noexcept;

/// Runs `walk` to see whether it fails or its records would take too much, and if not, once more with `take`.
template <class Walk>
auto check_then_take(Walk walk, const ingest_take& take) {
  std::size_t bytes = 0;
  auto checked = walk(ingest_take{[&bytes](const record_view& record) { bytes += bytes_of(record); }});
  if (!checked)
    return checked;
  if (bytes > max_request_record_bytes)
    return decltype(checked){fail(errc::too_large, "the records would take more than 64 MiB; send fewer at a time")};
  return walk(take);
}

/// Calls `take(line)` for each line of `text`, without its LF.
template <class Take>
void for_each_line(std::string_view text, Take&& take) {
  while (!text.empty()) {
    auto end = text.find('\n');
    take(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
}

} // namespace sluice

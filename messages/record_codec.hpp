#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/severity.hpp>

#include "messages/buffer.hpp"
#include "messages/detail/endian.hpp"
#include "messages/errc.hpp"
#include "messages/frame.hpp"
#include "messages/stream.hpp"

/// Records and how a batch holds them. Format: docs/specs/frame.md, "The payload".

namespace sluice {

/// Accepts the RFC's names, the usual short ones (`emerg`, `crit`, `err`, `warn`, `info`), in any case, and the numbers
/// 0 to 7.
std::optional<severity> parse_severity(std::string_view text) noexcept;

/// One record, viewing memory that somebody else owns.
struct record_view {
  timestamp time;
  std::optional<severity> level;
  std::string_view body;  ///< Any bytes, exactly as they came.
  bool terminated = true; ///< False if the source had no newline after the body.
  /// Few, in the order in which the source gave them.
  std::vector<std::pair<std::string_view, std::string_view>> attributes;
};

namespace payload_limits {
inline constexpr std::size_t header_bytes = 16;
inline constexpr std::size_t max_text_bytes = frame_limits::max_decoded_bytes - header_bytes;
inline constexpr std::size_t max_attributes = 64;
inline constexpr std::size_t max_attribute_key_bytes = 256;
inline constexpr std::size_t max_attribute_value_bytes = 64 * 1024;
} // namespace payload_limits

/// At least what the record takes in a payload.
std::size_t encoded_bound(const record_view& record) noexcept;

/// Makes a "lines" payload around text that is written straight into its buffer: what a file holds between two
/// positions is a payload once `finish` has filled in the header. Not thread-safe.
class lines_payload {
public:
  /// Takes over `memory` for reuse; its content is discarded.
  explicit lines_payload(buffer memory = {});

  /// The bodies so far.
  std::string_view text() const noexcept;
  std::size_t text_bytes() const noexcept { return data_.size() - payload_limits::header_bytes; }

  /// Room for `bytes` more behind the text; what was written to its front counts after `commit`.
  std::span<std::byte> prepare(std::size_t bytes);
  void commit(std::size_t bytes) noexcept;
  void append(std::string_view text);
  /// Shortens the text.
  void truncate(std::size_t text_bytes) noexcept;

  /// Writes the header and gives the payload away. Every record gets `time`. Needs at least one byte of text, and no
  /// more than `payload_limits::max_text_bytes`.
  buffer finish(timestamp time) &&;

private:
  buffer data_;
};

/// At several bytes a cycle.
std::size_t count_newlines(std::string_view text) noexcept;

/// Number of records in the text of a lines payload: its newlines, plus one if it does not end in one.
std::uint32_t count_lines(std::string_view text) noexcept;

/// Collects single records into a "sized" payload. For sources that make records rather than lines. Not thread-safe.
class record_encoder {
public:
  /// Fails, changing nothing, with too_large if the attributes break their bounds or the payload would exceed its own,
  /// and with invalid_argument if an attribute has no key, or the record before is not terminated.
  expected<void> append(const record_view& record);

  std::uint32_t count() const noexcept { return count_; }
  std::size_t body_bytes() const noexcept { return bodies_.size(); }
  timestamp first_timestamp() const noexcept { return first_; }
  timestamp last_timestamp() const noexcept { return last_; }

  /// At least what the payload has.
  std::size_t payload_bytes() const noexcept;

  /// Gives the payload away, in `memory`, and starts afresh. Needs at least one record.
  buffer finish(buffer memory = {});

  /// Forgets all records.
  void clear() noexcept;

private:
  buffer bodies_, lengths_, timestamps_, severities_, attributes_;
  std::uint32_t count_ = 0;
  timestamp base_, previous_, first_, last_;
  bool has_severity_ = false, has_attributes_ = false, has_timestamps_ = false;
  bool is_unterminated_ = false; ///< The last one.
};

/// Reads a decompressed payload of `record_count` records from memory that must outlive it. Bounded: it never
/// allocates more than one record's attributes.
class record_reader {
public:
  /// Checks the layout. Errors: truncated, malformed, unsupported_version.
  static expected<record_reader> open(byte_view payload, std::uint32_t record_count);

  /// The next record, valid until the next call; nullptr at the end or after an error.
  const record_view* next();

  /// Set when `next` has met bytes that break the format.
  const std::optional<error>& failure() const noexcept { return failure_; }

  /// All bodies at once, for a search that can skip the whole batch.
  std::string_view bodies() const noexcept { return bodies_; }

  /// Whether `bodies()` is the source's text as it was.
  bool is_lines() const noexcept { return lines_; }

  /// The time of all records if they share one.
  std::optional<timestamp> common_time() const noexcept;

private:
  record_reader() = default;
  bool read_line();
  bool read_sized();
  bool read_time();
  bool read_severity();
  bool read_attributes();
  void check_end();
  bool stop(errc code, std::string_view what);

  std::string_view bodies_;
  std::string_view unread_bodies_;
  detail::byte_reader lengths_, timestamps_, severities_, attributes_;
  std::uint32_t record_count_ = 0;
  std::uint32_t index_ = 0;
  bool lines_ = true, is_unterminated_ = false, has_timestamps_ = false, has_severities_ = false,
       has_attributes_ = false;
  record_view current_;
  std::optional<error> failure_;
};

} // namespace sluice

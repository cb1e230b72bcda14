#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "actors/query/query.hpp"

namespace sluice {

/// How a query shows what it finds.
enum class query_format : std::uint8_t {
  raw,   ///< Bodies exactly as they came, one per line.
  json,  ///< One object per line.
  count, ///< Only how many.
};

/// Errors: invalid_argument, saying what is accepted.
expected<query_format> parse_query_format(std::string_view text);

/// Where output goes; false when nobody takes it any more.
using byte_output = std::function<bool(byte_view)>;

/// Where it is said that records were dropped, a line at a time.
using gap_output = std::function<void(std::string_view)>;

/// Writes what a query finds. Buffers; `finish` writes what is left.
///
/// raw: a body is followed by LF unless its source had none there; LF also stands behind such a body where what
/// comes next is not its stream's continuation. So one stream without filters comes out as its source's bytes.
/// json: `timestamp` (RFC 3339, UTC), `severity` (name or null), `body`, `labels`, `attributes`, `stream`, `sequence`
/// (of the frame), `index` (in the frame); `unterminated` only where true; a body that is not UTF-8 has U+FFFD for what
/// is wrong, and its bytes in `body_base64`. A gap is an object too: `gap` (`records`, null if unknown, `reason`,
/// `from`, `to`, `bytes` of the source), `labels`, `stream`, `sequence`. raw and count have no place for gaps, and say
/// them elsewhere.
class query_writer : public record_sink {
public:
  /// Writes the end of the output. Returns whether everything was taken.
  virtual bool finish() = 0;
};

/// A writer for `format`; what it cannot show of gaps goes to `on_gap`, if there is one.
std::unique_ptr<query_writer> make_query_writer(query_format format, byte_output output, gap_output on_gap = {});

} // namespace sluice

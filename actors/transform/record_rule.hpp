#pragma once

#include <memory>

#include "actors/transform/transforms.hpp"
#include "messages/record_codec.hpp"

namespace sluice {

/// What a rule has done to a record. One that has failed has not changed it.
enum class rule_outcome {
  unchanged,
  changed,
  emptied,   ///< Changed: what could not be redacted within the bounds is gone.
  filtered,  ///< The record goes.
  sampled,   ///< Likewise.
  unparsed,  ///< Failed: a text is not what it should be.
  too_large, ///< Failed: a bound would be broken.
};

/// Where a record comes from, and what it may become.
struct record_place {
  stream_id stream;
  std::uint64_t position = 0; ///< Where it begins in its stream.
  std::size_t max_bytes = 0;  ///< As `encoded_bound` counts.
  bool is_part = false;       ///< Of a line, or may be one.
};

/// One transform at work, with memory of its own that is used again. Not thread-safe.
class record_rule {
public:
  virtual ~record_rule() = default;

  /// What it sets holds until the next call.
  virtual rule_outcome apply(record_view& record, const record_place& at) = 0;

  /// Whether it is applied to parts of lines.
  virtual bool takes_parts() const noexcept { return false; }
};

/// `number` tells rules of one list apart.
std::unique_ptr<record_rule> make_rule(const record_transform& what, std::uint64_t number);

/// Its name in a configuration and in metrics.
std::string_view name_of(const record_transform& what) noexcept;

} // namespace sluice

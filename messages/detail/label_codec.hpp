#pragma once

#include "messages/detail/endian.hpp"
#include "messages/label_set.hpp"

/// Labels as bytes, in frame headers and segment footers: per label u8 key bytes, u16 value bytes, key, value.

namespace sluice::detail {

void write_labels(byte_writer& out, const label_set& labels);

/// Reads `count` labels. Errors: truncated, and malformed for whatever a label_set refuses and for keys that are
/// not in order.
expected<label_set> read_labels(byte_reader& in, std::size_t count);

} // namespace sluice::detail

#pragma once

#include <string_view>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"

namespace sluice {

/// How the body of a request is compressed.
enum class content_coding { identity, gzip, zstd, snappy };

/// Reads the name of a coding, in whatever case; none at all is `identity`. Errors: unknown_codec.
expected<content_coding> parse_content_coding(std::string_view name);

/// Gives `body` back as it was before it was compressed. Writes no more than `max_bytes`, whatever the body claims.
/// Errors: too_large, decompression_failed.
expected<buffer> inflate(content_coding coding, byte_view body, std::size_t max_bytes);

} // namespace sluice

#pragma once

#include "messages/ingest/ingest.hpp"

namespace sluice {

inline constexpr std::size_t max_bulk_index_bytes = 255;

struct bulk_outcome {
  ingest_counts counts;
  std::string answer; ///< JSON, an item for each action.
};

/// The body of an Elasticsearch `_bulk` request. `index` is that of the path, if it has one. Fails only if the actions
/// and documents cannot be told apart, or the records or the answer would take too much.
expected<bulk_outcome> read_bulk(
  std::string_view body, std::string_view index, timestamp now, const ingest_take& take);

} // namespace sluice

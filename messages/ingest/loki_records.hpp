#pragma once

#include "messages/ingest/ingest.hpp"

namespace sluice {

/// A push request of Grafana Loki as JSON.
expected<ingest_counts> read_loki_json(std::string_view body, timestamp now, const ingest_take& take);

/// A push request of Grafana Loki as protobuf, not compressed any more.
expected<ingest_counts> read_loki_protobuf(std::string_view body, timestamp now, const ingest_take& take);

} // namespace sluice

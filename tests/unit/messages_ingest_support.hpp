#pragma once

#include <string>
#include <utility>
#include <vector>

#include "messages/ingest/ingest.hpp"
#include "messages/rfc3339.hpp"

namespace sluice::test {

struct taken_record {
  timestamp time;
  std::optional<severity> level;
  std::string body;
  std::vector<std::pair<std::string, std::string>> attributes;
};

/// Keeps what a reader gives away.
struct taken_records {
  ingest_take take() {
    return [this](const record_view& x) {
      all.push_back({x.time, x.level, std::string{x.body}, {x.attributes.begin(), x.attributes.end()}});
    };
  }

  std::vector<std::string> bodies() const {
    std::vector<std::string> made;
    for (auto& each : all)
      made.push_back(each.body);
    return made;
  }

  std::vector<taken_record> all;
};

inline timestamp at(std::string_view text) {
  return time_scanner{text}.date_time().value();
}

inline const timestamp received = at("2026-11-24T12:00:00Z");

using taken_attributes = std::vector<std::pair<std::string, std::string>>;

} // namespace sluice::test

#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "actors/transform/batch_transform.hpp"

namespace sluice {

/// A record that owns what it holds.
struct whole_record {
  std::string body;
  bool terminated = true;
  timestamp time{};
  std::optional<severity> level{};
  std::vector<std::pair<std::string, std::string>> attributes{};

  friend bool operator==(const whole_record&, const whole_record&) = default;
};

inline whole_record copy(const record_view& x) {
  return {std::string{x.body}, x.terminated, x.time, x.level, {x.attributes.begin(), x.attributes.end()}};
}

inline record_view view(const whole_record& x) {
  return {x.time, x.level, x.body, x.terminated, {x.attributes.begin(), x.attributes.end()}};
}

inline byte_pattern pattern(const std::string& expression) {
  return make_byte_pattern(expression).value();
}

/// The records of a batch that follows `begin`.
inline batch make_batch(const std::vector<whole_record>& records, std::uint64_t begin = 0) {
  record_encoder encoder;
  batch made;
  made.header.position_begin = made.header.position_end = begin;
  for (auto& x : records) {
    EXPECT_TRUE(encoder.append(view(x)));
    made.header.position_end += x.body.size() + x.terminated;
  }
  made.header.record_count = encoder.count();
  made.header.first_timestamp = encoder.first_timestamp();
  made.header.last_timestamp = encoder.last_timestamp();
  made.payload = share(encoder.finish());
  made.header.decoded_bytes = static_cast<std::uint32_t>(made.payload->size());
  return made;
}

/// The lines of a text as a batch.
inline batch make_lines(std::string_view text, std::uint64_t begin = 0) {
  lines_payload lines;
  lines.append(text);
  batch made;
  made.header.record_count = count_lines(text);
  made.header.position_begin = begin;
  made.header.position_end = begin + text.size();
  made.payload = share(std::move(lines).finish({}));
  made.header.decoded_bytes = static_cast<std::uint32_t>(made.payload->size());
  return made;
}

inline std::vector<whole_record> records_of(const batch& x) {
  std::vector<whole_record> made;
  if (x.header.kind == frame_kind::gap)
    return made;
  auto reader = record_reader::open(x.payload->view(), x.header.record_count).value();
  while (auto* record = reader.next())
    made.push_back(copy(*record));
  return reader.failure() ? std::vector<whole_record>{} : made;
}

} // namespace sluice

#include "actors/batcher/record_batch_builder.hpp"

#include <algorithm>

namespace sluice {

record_batch_builder::record_batch_builder(stream_id stream, label_set labels, batch_limits limits, stream_point last)
  : limits_(limits) {
  header_.stream = stream;
  header_.labels = std::move(labels);
  header_.epoch = last.epoch;
  header_.sequence = last.sequence + 1;
  header_.position_begin = header_.position_end = last.position;
}

expected<void> record_batch_builder::add(const record_view& record) {
  return records_.append(record).map([&] { header_.position_end += record.body.size() + 1; });
}

batch record_batch_builder::finish() {
  header_.record_count = records_.count();
  header_.first_timestamp = records_.first_timestamp();
  header_.last_timestamp = records_.last_timestamp();
  batch made{header_, share(records_.finish())};
  made.header.decoded_bytes = static_cast<std::uint32_t>(made.payload->size());
  ++header_.sequence;
  header_.position_begin = header_.position_end;
  return made;
}

batch record_batch_builder::make_gap(std::string_view reason, std::uint32_t records, timestamp first, timestamp last) {
  buffer payload;
  payload.append(as_bytes(reason));
  batch made{header_, share(std::move(payload))};
  made.header.kind = frame_kind::gap;
  made.header.record_count = records;
  made.header.first_timestamp = std::min(first, last); // the time of day may have been set back
  made.header.last_timestamp = std::max(first, last);
  made.header.decoded_bytes = static_cast<std::uint32_t>(made.payload->size());
  ++header_.sequence;
  return made;
}

} // namespace sluice

#include "actors/batcher/batch_builder.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace sluice {

namespace {

/// Records that may have line ends in them. They are within the bounds of a payload, for they were read as text that
/// is.
buffer encode_records(std::string_view text, const std::vector<std::uint32_t>& record_bytes, timestamp time) {
  record_encoder encoder;
  for (auto bytes : record_bytes) {
    record_view record;
    record.time = time;
    record.body = text.substr(0, bytes);
    record.terminated = record.body.ends_with('\n');
    record.body.remove_suffix(record.terminated);
    text.remove_prefix(bytes);
    static_cast<void>(encoder.append(record));
  }
  return encoder.finish();
}

} // namespace

batch_builder::batch_builder(stream_id stream, label_set labels, batch_limits limits) : limits_(limits) {
  header_.stream = stream;
  header_.labels = std::move(labels);
  restart({});
}

std::uint32_t batch_builder::restart(const stream_point& last) {
  auto discarded = empty() ? 0 : records();
  header_.epoch = last.epoch == 0 ? 1 : last.epoch;
  header_.sequence = last.sequence + 1;
  header_.position_end = last.position;
  clear();
  return discarded;
}

bool batch_builder::fits(const chunk& x) const noexcept {
  auto is_alike = [this, &x] { return record_bytes_.empty() == !x.record_bytes; };
  return empty() || (lines_ && is_alike() && lines_->text_bytes() + x.lines->text_bytes() <= limits_.max_bytes &&
                      header_.record_count + x.record_count <= limits_.max_events);
}

bool batch_builder::fits(const gap& x) const noexcept {
  auto both_known = (x.record_count == 0) == (header_.record_count == 0);
  return empty() || (x.reason == reason_ && both_known &&
                      x.record_count <= std::numeric_limits<std::uint32_t>::max() - header_.record_count);
}

void batch_builder::add(chunk x) {
  if (empty()) {
    lines_ = std::move(x.lines);
    header_.first_timestamp = header_.last_timestamp = x.time;
  } else {
    lines_->append(x.lines->text());
  }
  if (x.record_bytes)
    record_bytes_.insert(record_bytes_.end(), x.record_bytes->begin(), x.record_bytes->end());
  header_.record_count += x.record_count;
  header_.position_end = x.position_end;
}

void batch_builder::add(gap x) {
  if (empty()) {
    header_.kind = frame_kind::gap;
    header_.first_timestamp = x.first_time;
    header_.last_timestamp = x.last_time;
    reason_ = std::move(x.reason);
  }
  // The time of day may have been set back.
  header_.first_timestamp = std::min({header_.first_timestamp, x.first_time, x.last_time});
  header_.last_timestamp = std::max({header_.last_timestamp, x.first_time, x.last_time});
  header_.record_count += x.record_count;
  header_.position_end = x.position_end;
}

bool batch_builder::full() const noexcept {
  // An unterminated record can have no successor in its payload.
  return lines_ && (lines_->text_bytes() >= limits_.max_bytes || header_.record_count >= limits_.max_events ||
                     lines_->text().back() != '\n');
}

batch batch_builder::finish(buffer_pool& pool) {
  buffer payload;
  if (!record_bytes_.empty())
    payload = encode_records(lines_->text(), record_bytes_, header_.first_timestamp);
  else if (lines_)
    payload = std::move(*lines_).finish(header_.first_timestamp);
  else
    payload.append(as_bytes(reason_));
  batch made{header_, lines_ ? pool.share(std::move(payload)) : share(std::move(payload))};
  made.header.decoded_bytes = static_cast<std::uint32_t>(made.payload->size());
  ++header_.sequence;
  clear();
  return made;
}

void batch_builder::clear() noexcept {
  header_.kind = frame_kind::records;
  header_.position_begin = header_.position_end;
  header_.record_count = 0;
  lines_.reset();
  record_bytes_.clear();
  reason_.clear();
}

} // namespace sluice

#include "actors/batcher/batch_builder.hpp"

#include <utility>

namespace sluice {

batch_builder::batch_builder(stream_id stream, label_set labels, batch_limits limits) : limits_(limits) {
  header_.record_count = 0;
  header_.stream = stream;
  header_.labels = std::move(labels);
  restart({});
}

std::uint32_t batch_builder::restart(const stream_point& last) {
  header_.epoch = last.epoch == 0 ? 1 : last.epoch;
  header_.sequence = last.sequence + 1;
  header_.position_begin = header_.position_end = last.position;
  lines_.reset();
  return std::exchange(header_.record_count, 0);
}

bool batch_builder::fits(const chunk& x) const noexcept {
  return empty() || (lines_->text_bytes() + x.lines->text_bytes() <= limits_.max_bytes &&
                      header_.record_count + x.record_count <= limits_.max_events);
}

void batch_builder::add(chunk x) {
  if (empty()) {
    lines_ = std::move(x.lines);
    header_.first_timestamp = header_.last_timestamp = x.time;
  } else {
    lines_->append(x.lines->text());
  }
  header_.record_count += x.record_count;
  header_.position_end = x.position_end;
}

bool batch_builder::full() const noexcept {
  // An unterminated record can have no successor in its payload.
  return !empty() && (lines_->text_bytes() >= limits_.max_bytes || header_.record_count >= limits_.max_events ||
                       lines_->text().back() != '\n');
}

batch batch_builder::finish(buffer_pool& pool) {
  batch made{header_, pool.share(std::move(*lines_).finish(header_.first_timestamp))};
  made.header.decoded_bytes = static_cast<std::uint32_t>(made.payload->size());
  ++header_.sequence;
  header_.position_begin = header_.position_end;
  header_.record_count = 0;
  lines_.reset();
  return made;
}

} // namespace sluice

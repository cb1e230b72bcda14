#include "actors/transform/batch_transform.hpp"

#include <algorithm>

namespace sluice {

namespace {

/// What the records of a batch may take; the encoder counts the last one a little higher than it is.
constexpr std::size_t most_bytes = frame_limits::max_decoded_bytes - 4 * 1024;

} // namespace

expected<transformed_batch> batch_transform::apply(const batch& x) {
  transformed_batch outcome;
  is_copying_ = false;
  encoder_.clear();
  if (auto walked = walk(x, outcome); !walked)
    return fail(walked.error());
  outcome.made = is_copying_ ? finish(x, outcome) : x;
  return outcome;
}

expected<void> batch_transform::walk(const batch& x, transformed_batch& to) {
  const auto& header = x.header;
  auto reader = record_reader::open(x.payload->view(), header.record_count);
  if (!reader)
    return fail(reader.error());
  auto goes_on = takes_up_line(header);
  // What all records take when they are encoded one by one, and how much more they may become together.
  auto bound = x.payload->size() + header.record_count * encoded_bound({});
  if (bound > most_bytes)
    return fail(errc::too_large, "a batch of this size has no room for changes");
  auto room = most_bytes - bound;
  record_place at{header.stream, header.position_begin};
  for (std::uint32_t index = 0; auto* came = reader->next(); ++index) {
    at.max_bytes = encoded_bound(*came) + room;
    at.is_part = !came->terminated || (goes_on && index == 0);
    record_ = *came;
    auto outcome = chain_.apply(record_, at);
    at.position += came->body.size() + 1;
    if (!came->terminated)
      open_ends_[header.stream] = header.position_end;
    if (outcome == rule_outcome::unchanged && !is_copying_)
      continue;
    if (!is_copying_)
      if (auto begun = begin_copy(x, index); !begun)
        return begun;
    if (auto settled = settle(outcome, to); !settled)
      return settled;
    room = at.max_bytes - std::max(encoded_bound(*came), encoded_bound(record_));
  }
  return reader->failure() ? expected<void>{fail(*reader->failure())} : expected<void>{};
}

/// Whether the first record goes on with the last one before it, which had no end.
bool batch_transform::takes_up_line(const frame_header& header) {
  auto found = open_ends_.find(header.stream);
  if (found == open_ends_.end())
    return false;
  auto joins = found->second == header.position_begin;
  open_ends_.erase(found);
  return joins;
}

/// From here on records are encoded; the first ones are as they came.
expected<void> batch_transform::begin_copy(const batch& x, std::uint32_t records) {
  is_copying_ = true;
  auto reader = record_reader::open(x.payload->view(), x.header.record_count);
  expected<void> added;
  for (; added && records > 0; --records)
    added = encoder_.append(*reader->next());
  return added;
}

/// Counts the record at work as dropped, or encodes it.
expected<void> batch_transform::settle(rule_outcome outcome, transformed_batch& to) {
  to.filtered += outcome == rule_outcome::filtered;
  to.sampled += outcome == rule_outcome::sampled;
  auto is_dropped = outcome == rule_outcome::filtered || outcome == rule_outcome::sampled;
  return is_dropped ? expected<void>{} : encoder_.append(record_);
}

batch batch_transform::finish(const batch& x, const transformed_batch& outcome) {
  batch made;
  made.header = x.header;
  if (encoder_.count() == 0) {
    made.header.kind = frame_kind::gap;
    buffer reason;
    reason.append(as_bytes(outcome.filtered > 0 ? gap_reason::filtered : gap_reason::sampled));
    made.payload = share(std::move(reason));
  } else {
    made.header.record_count = encoder_.count();
    made.header.first_timestamp = encoder_.first_timestamp();
    made.header.last_timestamp = encoder_.last_timestamp();
    made.payload = pool_->share(encoder_.finish(pool_->take()));
  }
  made.header.decoded_bytes = static_cast<std::uint32_t>(made.payload->size());
  return made;
}

} // namespace sluice

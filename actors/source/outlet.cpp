#include "actors/source/outlet.hpp"

#include <caf/typed_event_based_actor.hpp>

#include "actors/runtime/environment.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

void outlet::hand_on(source_input& x, file_chunk taken) {
  if (!x.lag)
    return send(x, std::move(taken));
  x.lag->look(x.position, x.size, inputs_.window_is_full());
  auto text = taken.lines.text();
  for (auto& run : x.lag->divide(text, x.position)) {
    auto part = text.substr(0, run.bytes);
    text.remove_prefix(run.bytes);
    if (!run.is_kept) {
      auto now = env_.now();
      count_dropped(x.lag->reason(), run.records, run.bytes);
      tell_gap(x, x.lag->reason(), run.records, run.bytes, now, now);
    } else if (run.bytes == taken.lines.text_bytes()) {
      return send(x, std::move(taken));
    } else {
      file_chunk copy{lines_payload{pool_->take()}, run.records};
      copy.lines.append(part);
      send(x, std::move(copy));
    }
  }
}

void outlet::send(source_input& x, file_chunk taken) {
  auto begin = x.position;
  auto bytes = taken.lines.text_bytes();
  inputs_.move(x, begin + bytes, x.acked);
  metrics_.received(taken.records, bytes);
  metrics_.sent(taken.records, bytes);
  chunk made{
    x.stream, std::make_shared<lines_payload>(std::move(taken.lines)), taken.records, begin, x.position, env_.now()};
  if (!taken.record_bytes.empty())
    made.record_bytes = std::make_shared<std::vector<std::uint32_t>>(std::move(taken.record_bytes));
  self_->send(next_, std::move(made));
}

void outlet::tell_gap(source_input& x, std::string_view reason, std::uint32_t records, std::uint64_t bytes,
  timestamp first, timestamp last) {
  auto begin = x.position;
  inputs_.skip(x, bytes);
  self_->send(next_, gap{x.stream, std::string{reason}, records, begin, x.position, first, last});
}

void outlet::tell_gap(source_input& x, const dropped_records& gone) {
  tell_gap(x, gone.reason, gone.records, gone.end - gone.begin, gone.first_time, gone.last_time);
}

void outlet::count_dropped(std::string_view reason, std::uint32_t records, std::uint64_t bytes) {
  if (records == 0)
    return;
  metrics_.received(records, bytes);
  metrics_.discarded(reason, records);
  notice_.add(reason, records);
}

void outlet::say_dropped() {
  notice_.say();
}

} // namespace sluice

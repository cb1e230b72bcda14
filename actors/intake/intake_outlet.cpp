#include "actors/intake/intake_outlet.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <spdlog/spdlog.h>

#include "actors/runtime/awaitables.hpp"

namespace sluice {

intake_outlet::intake_outlet(
  source_actor::pointer self, intake_stream stream, intake_records& records, compressor_actor next)
  : self_(self), stream_(std::move(stream)), records_(records), next_(std::move(next)),
    metrics_(self->system(), "intake") {
  if (!records_.batch)
    records_.batch =
      std::make_unique<record_batch_builder>(stream_.id, stream_.labels, stream_.limits, records_.content.last());
}

void intake_outlet::open() {
  auto& content = records_.content;
  self_->send(next_,
    open_stream{stream_.id, stream_.labels, self_->ctrl(), false, content.acked().position, content.last().epoch});
  if (!records_.batch->empty())
    flush_later();
}

void intake_outlet::add(const record_view& record) {
  ++added_records_;
  added_bytes_ += record.body.size();
  auto& batch = *records_.batch;
  auto begins = batch.empty();
  if (auto added = batch.add(record); !added) {
    flush();
    if (auto again = batch.add(record); !again)
      return drop(again.error());
    begins = true;
  }
  if (batch.full())
    flush();
  else if (begins)
    flush_later();
}

/// Only a record that no payload can hold gets here.
void intake_outlet::drop(const error& reason) {
  spdlog::error("{}: dropped a record: {}", stream_.name, reason.message);
  metrics_.discarded(to_string(reason.code), 1);
}

void intake_outlet::flush_later() {
  timer_.dispose();
  timer_ = run_later(self_, stream_.limits.timeout, [this] { flush(); });
}

void intake_outlet::flush() {
  if (records_.batch->empty())
    return;
  timer_.dispose();
  auto made = records_.batch->finish();
  metrics_.sent(made.header.record_count, made.payload->size());
  hand_on(std::move(made));
  count();
}

void intake_outlet::add_gap(std::string_view reason, std::uint32_t records, timestamp first, timestamp last) {
  flush();
  hand_on(records_.batch->make_gap(reason, records, first, last));
}

void intake_outlet::hand_on(batch made) {
  if (is_welcome_)
    self_->send(next_, made);
  records_.content.push(std::move(made));
}

void intake_outlet::flush_if_idle() {
  if (records_.content.batches().empty())
    flush();
}

void intake_outlet::go_on_after(stream_point durable) {
  auto& content = records_.content;
  if (durable.epoch < content.last().epoch)
    durable = {content.last().epoch, 0, durable.position};
  content.acknowledge(durable);
  self_->send(next_, restart_stream{stream_.id, durable});
  for (auto& x : content.batches())
    self_->send(next_, x);
  tell_end();
  is_welcome_ = true;
}

void intake_outlet::end() {
  flush();
  has_ended_ = true;
  tell_end();
  self_->send(next_, end_of_input_atom_v);
}

void intake_outlet::tell_end() {
  if (has_ended_)
    self_->send(next_, end_stream{stream_.id, records_.content.last().position});
}

void intake_outlet::close_if_done() {
  if (has_ended_ && records_.content.batches().empty())
    self_->send(next_, close_stream{stream_.id});
}

void intake_outlet::count() {
  metrics_.received(std::exchange(added_records_, 0), std::exchange(added_bytes_, 0));
  metrics_.in_flight(records_.batch->records(), records_.batch->body_bytes());
}

} // namespace sluice

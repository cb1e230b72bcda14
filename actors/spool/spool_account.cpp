#include "actors/spool/spool_account.hpp"

#include <caf/actor_system.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/telemetry/metric_registry.hpp>

namespace sluice {

spool_account::spool_account(caf::scheduled_actor* self, std::filesystem::path folder)
  : folder_(std::move(folder)), metrics_(self->system(), "spool"), notice_(self, "spool") {
  auto& registry = self->system().metrics();
  written_records_ =
    registry.counter_singleton("sluice", "spool-written-events", "Records that the spool has made durable.", "1", true);
  written_bytes_ = registry.counter_singleton(
    "sluice", "spool-written", "Bytes of the sources that the spool has made durable.", "bytes", true);
  disk_bytes_ = registry.gauge_singleton("sluice", "spool-disk", "Bytes of the spool's segments.", "bytes");
}

void spool_account::find(const spool_content& left) {
  received_.add(left);
  metrics_.received(left.records, left.bytes);
}

void spool_account::queue(const spool_content& come) {
  metrics_.received(come.records, come.bytes);
  metrics_.hold(static_cast<std::int64_t>(come.records), static_cast<std::int64_t>(come.bytes));
  received_.add(come);
  queued_.add(come);
}

void spool_account::settle(const spool_content& done, const spool_content& written) {
  written_records_->inc(static_cast<std::int64_t>(written.records));
  written_bytes_->inc(static_cast<std::int64_t>(written.bytes));
  queued_.remove(done);
  auto again = done;
  again.remove(written);
  received_.remove(again);
  if (again.records > 0)
    metrics_.discarded("duplicate", again.records);
}

void spool_account::drop_from_queue(std::string_view reason, const spool_content& gone) {
  metrics_.hold(-static_cast<std::int64_t>(gone.records), -static_cast<std::int64_t>(gone.bytes));
  queued_.remove(gone);
  count_dropped(reason, gone);
}

void spool_account::drop_from_disk(std::string_view reason, const spool_content& gone) {
  count_dropped(reason, gone);
}

void spool_account::count_dropped(std::string_view reason, const spool_content& gone) {
  received_.remove(gone);
  metrics_.discarded(reason, gone.records);
  notice_.add(reason, gone.records);
}

void spool_account::publish(const spool_log& log) {
  auto& waiting = log.waiting();
  auto held = waiting;
  held.add(queued_);
  auto gone = received_;
  gone.remove(held);
  metrics_.sent(gone.records - sent_.records, gone.bytes - sent_.bytes);
  metrics_.in_flight(held.records, held.bytes);
  sent_ = gone;
  disk_bytes_->value(static_cast<std::int64_t>(log.disk_bytes()));
  status_ = {folder_.string(), static_cast<std::uint64_t>(written_records_->value()),
    static_cast<std::uint64_t>(written_bytes_->value()), waiting.records, waiting.bytes, queued_.records, queued_.bytes,
    log.disk_bytes()};
}

} // namespace sluice

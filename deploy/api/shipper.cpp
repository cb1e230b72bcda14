#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <sluice/shipper.hpp>
#include <spdlog/spdlog.h>

#include "deploy/api/local_shipper.hpp"
#include "messages/counted.hpp"
#include "transport/own_thread.hpp"

namespace sluice {

shipper::shipper(std::unique_ptr<impl> made) : impl_(std::move(made)) {}

shipper::shipper(shipper&&) noexcept = default;

shipper& shipper::operator=(shipper&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

shipper::~shipper() {
  leave_behind_if_forked(impl_);
}

errc shipper::submit(const record& x) noexcept {
  if (is_own_thread || impl_->shared->is_forked())
    return errc::shutting_down;
  if (x.time)
    return impl_->queue->submit(x);
  auto stamped = x;
  stamped.time = std::chrono::system_clock::now();
  return impl_->queue->submit(stamped);
}

result<> shipper::flush(std::chrono::milliseconds timeout, durable_at where) {
  if (is_own_thread || impl_->shared->is_forked())
    return error{errc::shutting_down, "this process or thread cannot wait for the shipper"};
  if (where == durable_at::spool && !impl_->has_spool)
    return error{errc::invalid_argument, "there is no spool: give the shipper a data_dir, or wait for the receiver"};
  auto deadline = submission_queue::clock::now() + timeout;
  auto before = counters();
  auto until = where == durable_at::spool ? submission_queue::stage::spooled : submission_queue::stage::received;
  if (impl_->queue->flush(until, deadline))
    return {};
  if (auto failure = impl_->queue->failure())
    return *failure;
  auto now = counters();
  auto durable = where == durable_at::spool ? now.spooled : now.acknowledged;
  return error{errc::timed_out, fmt::format("after {} ms, {} of those submitted {} not durable", timeout.count(),
                                  counted(before.accepted - std::min(before.accepted, durable), "record"),
                                  before.accepted - std::min(before.accepted, durable) == 1 ? "is" : "are")};
}

shipper_counters shipper::counters() const {
  if (impl_->shared->is_forked())
    return {};
  auto counts = impl_->queue->counts();
  return {
    .accepted = counts.submitted,
    .accepted_bytes = counts.submitted_bytes,
    .dropped = counts.full,
    .refused = counts.refused,
    .spooled = counts.spooled,
    .acknowledged = counts.received,
    .pending = counts.submitted - counts.received,
  };
}

} // namespace sluice

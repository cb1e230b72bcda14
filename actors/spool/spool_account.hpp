#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "actors/spool/spool_log.hpp"
#include "actors/stats/drop_notice.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

/// What has become of the records that a spool was given: its metrics, and what it tells of itself. For the actor that
/// it belongs to.
class spool_account {
public:
  spool_account(caf::scheduled_actor* self, std::filesystem::path folder);

  /// An earlier process has left it on the disk.
  void find(const spool_content& left);

  /// It has come, and waits to be written.
  void queue(const spool_content& come);

  /// Of what waits to be written, `done` is on the disk; `written` of it was not there already.
  void settle(const spool_content& done, const spool_content& written);

  /// It was dropped while it waited to be written.
  void drop_from_queue(std::string_view reason, const spool_content& gone);

  /// It was dropped after it had been written.
  void drop_from_disk(std::string_view reason, const spool_content& gone);

  void failed(errc reason) { metrics_.failed(reason); }

  /// Logs what was dropped since it was logged last.
  void say_dropped() { notice_.say(); }

  /// Brings metrics and status up to date.
  void publish(const spool_log& log);

  /// As of the last `publish`.
  const spool_status& status() const noexcept { return status_; }

private:
  void count_dropped(std::string_view reason, const spool_content& gone);

  std::filesystem::path folder_;
  component_metrics metrics_;
  caf::telemetry::int_counter* written_records_;
  caf::telemetry::int_counter* written_bytes_;
  caf::telemetry::int_gauge* disk_bytes_;
  spool_content received_, sent_; ///< Since the start.
  spool_content queued_;
  drop_notice notice_;
  spool_status status_;
};

} // namespace sluice

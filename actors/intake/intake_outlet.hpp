#pragma once

#include <memory>
#include <string>

#include <caf/disposable.hpp>

#include "actors/batcher/record_batch_builder.hpp"
#include "actors/intake/intake_content.hpp"
#include "actors/interfaces.hpp"
#include "actors/stats/metrics.hpp"

namespace sluice {

/// The records that an intake holds. It outlives the actor: what was received cannot be had again, so the next one goes
/// on with it. Only one actor uses it at a time.
struct intake_records {
  std::unique_ptr<record_batch_builder> batch; ///< What is not in a batch yet.
  intake_content content{1};

  std::size_t bytes() const { return content.bytes() + (batch ? batch->body_bytes() : 0); }
};

/// The stream that an intake makes.
struct intake_stream {
  std::string name; ///< Where the records come from, for the log.
  stream_id id;     ///< A new one with each start of the process.
  label_set labels;
  batch_limits limits;
};

/// The way of an intake's records: into batches and to the compressor, again if something behind it begins anew. Part
/// of the actor.
class intake_outlet {
public:
  intake_outlet(source_actor::pointer self, intake_stream stream, intake_records& records, compressor_actor next);

  /// What is held is not lost with the actor.
  ~intake_outlet() { metrics_.in_flight(0, 0); }

  component_metrics& metrics() noexcept { return metrics_; }

  void open();
  void add(const record_view& record);
  void flush();
  /// Notes in the stream that records were dropped, behind what was added.
  void add_gap(std::string_view reason, std::uint32_t records, timestamp first, timestamp last);
  /// Flushes if nothing is made that is not durable: to wait for more would only take time.
  void flush_if_idle();
  /// What follows `durable` is handed on again, in the same batches as before.
  void go_on_after(stream_point durable);
  /// There are no more records.
  void end();
  /// Lets the stream be forgotten if it has ended and all of it is acknowledged.
  void close_if_done();
  /// Counts what was added and what is held.
  void count();

private:
  void flush_later();
  void drop(const error& reason);
  void hand_on(batch made);
  void tell_end();

  source_actor::pointer self_;
  intake_stream stream_;
  intake_records& records_;
  compressor_actor next_;
  component_metrics metrics_;
  std::uint64_t added_records_ = 0, added_bytes_ = 0; ///< Not counted yet.
  bool is_welcome_ = false;
  bool has_ended_ = false;
  caf::disposable timer_;
};

} // namespace sluice

#include "deploy/ship_outcome.hpp"

#include <caf/send.hpp>
#include <fmt/format.h>

#include "messages/counted.hpp"

namespace sluice {

std::string amount(double records, double bytes) {
  return fmt::format("{} ({})", counted(static_cast<std::uint64_t>(records), "record"), format_size(bytes));
}

namespace {

/// Where that is which was read and is not acknowledged.
std::string remains(const ship_status& status) {
  auto& spool = status.spool;
  if (spool.folder.empty())
    return fmt::format("{} of {} read after that and not acknowledged; ship again to go on from there",
      amount(status.pending_records, status.pending_bytes), counted(status.pending_streams, "stream"));
  auto text = fmt::format("{} waiting in the spool {}, for the next start to ship",
    amount(spool.waiting_records, spool.waiting_bytes), spool.folder);
  if (spool.queued_records > 0)
    text += fmt::format("; {} read, but not written there, and lost", amount(spool.queued_records, spool.queued_bytes));
  return text;
}

} // namespace

exit_code explain_unfinished(std::string_view verb, const ship_status& status, std::string_view why) {
  auto cause = status.last_error.message.empty() ? std::string{} : "; last error: " + status.last_error.message;
  auto is_spooled = status.spool.waiting_records + status.spool.queued_records > 0;
  if (!status.was_connected && !is_spooled) {
    report(
      verb, exit_code::unavailable, fmt::format("{}: no receiver has answered, nothing was shipped{}", why, cause));
    return exit_code::unavailable;
  }
  auto arrived = status.was_connected ? fmt::format("{} acknowledged", amount(status.acked_records, status.acked_bytes))
                                      : "no receiver has answered";
  report(verb, exit_code::not_acknowledged, fmt::format("{}: {}; {}{}", why, arrived, remains(status), cause));
  return exit_code::not_acknowledged;
}

exit_code conclude_shipping(
  std::string_view verb, const expected<ship_report>& outcome, const abandoned_input& abandoned) {
  if (!outcome)
    return static_cast<exit_code>(report(verb, outcome.error()));
  auto& [status, errors] = *outcome;
  if (auto left = abandoned.left(); left.streams > 0)
    return static_cast<exit_code>(report(verb, exit_code::not_acknowledged,
      fmt::format("{} acknowledged; {} more of {} read and not known to be, for an actor failed "
                  "while the reading was ended; ship again to go on from there",
        amount(status.acked_records, status.acked_bytes), format_size(static_cast<double>(left.bytes)),
        counted(left.streams, "file"))));
  if (status.spool.waiting_records > 0)
    return explain_unfinished(verb, status, "the input has ended");
  fmt::print(stderr, "sluice {}: {} of {} acknowledged, {} sent\n", verb,
    amount(status.acked_records, status.acked_bytes), counted(status.streams, "stream"),
    format_size(static_cast<double>(status.sent_bytes)));
  if (errors.empty())
    return exit_code::done;
  return static_cast<exit_code>(report(verb, exit_code::io_error,
    fmt::format("{} of the sources could not be read to the end: {}", errors.size(), errors.front())));
}

ship_status present_status(signal_wait* signals, caf::actor_system& system, const ship_pipeline_actor& pipeline) {
  constexpr std::chrono::seconds patience{5};
  caf::anon_send(pipeline, stop_atom_v);
  wait_for(signals, ask<void>(system, pipeline, flush_atom_v), std::chrono::steady_clock::now() + patience);
  auto asked = ask<ship_report>(system, pipeline, status_atom_v);
  if (!wait_for(signals, asked, std::chrono::steady_clock::now() + patience))
    return {};
  auto answer = asked.get();
  return answer ? answer->status : ship_status{};
}

} // namespace sluice

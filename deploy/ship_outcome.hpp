#pragma once

#include <string>
#include <string_view>

#include "actors/interfaces.hpp"
#include "actors/source/abandoned_input.hpp"
#include "deploy/cli.hpp"
#include "deploy/process.hpp"

/// What is said at the end of shipping, and the exit code that goes with it. `verb` is what was run, as `ship`.

namespace sluice {

/// `3 records (1.2 KiB)`.
std::string amount(double records, double bytes);

/// Says what has and what has not arrived.
exit_code explain_unfinished(std::string_view verb, const ship_status& status, std::string_view why);

/// Says how a drain has ended.
exit_code conclude_shipping(
  std::string_view verb, const expected<ship_report>& outcome, const abandoned_input& abandoned);

/// What has arrived by now. Nothing more is read then, and what was read has a little time to get into the spool.
ship_status present_status(signal_wait* signals, caf::actor_system& system, const ship_pipeline_actor& pipeline);

} // namespace sluice

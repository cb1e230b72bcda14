#include "deploy/departures.hpp"

#include <algorithm>

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <spdlog/spdlog.h>

#include "deploy/ship_outcome.hpp"

namespace sluice {

running_pipeline watch(caf::actor_system& system, running_pipeline started) {
  auto drained = std::make_shared<std::promise<expected<ship_report>>>();
  started.drained = drained->get_future();
  // What it holds, as a spool, is not kept until somebody looks; of files it has still to be asked what was abandoned.
  auto ends = !started.abandoned;
  ask_then<ship_report>(
    system, started.actor, drain_atom_v, [drained, ends, actor = started.actor](expected<ship_report> answer) {
      drained->set_value(std::move(answer));
      if (ends)
        caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
      signal_wait::wake();
    });
  auto ended = std::make_shared<std::promise<void>>();
  started.ended = ended->get_future();
  started.actor->attach_functor([ended] {
    ended->set_value();
    signal_wait::wake();
  });
  return started;
}

void departures::add(running_pipeline which, std::optional<time_point> deadline) {
  caf::anon_send(which.actor, stop_atom_v);
  all_.push_back({std::move(which), deadline});
}

bool departures::settle(time_point now) {
  for (auto& x : all_) {
    if (x.is_told_to_end)
      continue;
    x.is_late = x.deadline && now >= *x.deadline;
    if (x.is_late || x.pipeline.is_drained())
      end(x);
  }
  auto some_were_late = false;
  std::erase_if(all_, [&](auto& x) {
    auto has_ended = x.pipeline.has_ended();
    some_were_late = some_were_late || (has_ended && x.is_late);
    return has_ended;
  });
  return some_were_late;
}

bool departures::end(departure& x) {
  auto& [name, actor, abandoned, drained, ended] = x.pipeline;
  x.is_told_to_end = true;
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  if (!x.pipeline.is_drained()) {
    spdlog::warn("{}: {}; what is left is shipped by whoever goes on with it", name,
      x.is_late ? "not all was acknowledged within the drain timeout" : "ended before all was acknowledged");
    return false;
  }
  auto report = drained.get();
  if (!report)
    spdlog::error("{}: {}", name, report.error().message);
  else
    spdlog::info("{}: ended, {} acknowledged", name,
      amount(static_cast<double>(report->status.acked_records), static_cast<double>(report->status.acked_bytes)));
  return report.has_value();
}

bool departures::contains(std::string_view name) const {
  return std::ranges::any_of(all_, [name](auto& x) { return x.pipeline.name == name; });
}

std::optional<departures::time_point> departures::next_deadline() const {
  std::optional<time_point> first;
  for (auto& x : all_)
    if (x.deadline && !x.is_told_to_end && (!first || *x.deadline < *first))
      first = x.deadline;
  return first;
}

bool departures::wait(signal_wait* signals, time_point deadline) {
  auto is_all = true;
  for (auto& x : all_) {
    if (x.is_told_to_end)
      continue;
    wait_for(signals, x.pipeline.drained, deadline);
    is_all = end(x) && is_all;
  }
  return is_all;
}

} // namespace sluice

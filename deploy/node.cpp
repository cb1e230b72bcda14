#include "deploy/node.hpp"

#include <algorithm>

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "deploy/ship_outcome.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "run";

} // namespace

std::optional<startup_error> node::start(configuration config) {
  config_ = std::move(config);
  if (config_.receive)
    if (auto failure = start_receiving())
      return failure;
  for (auto& [name, options] : config_.sources)
    if (auto failure = start_source(name, options))
      return failure;
  return std::nullopt;
}

bool node::has_failed() const {
  constexpr std::chrono::seconds now{0};
  auto has_ended = [now](auto& x) { return x.second.drained.wait_for(now) == std::future_status::ready; };
  return (receive_ && receive_->has_failed()) || std::ranges::any_of(sources_, has_ended);
}

exit_code node::stop(signal_wait* signals) {
  auto deadline = std::chrono::steady_clock::now() + config_.drain_timeout;
  auto result = exit_code::done;
  for (auto& [name, x] : sources_)
    caf::anon_send(x.node.pipeline, stop_atom_v);
  for (auto& [name, x] : sources_)
    if (auto ended = end(name, x, signals, deadline); ended != exit_code::done)
      result = ended;
  if (!receive_)
    return result;
  auto drained = receive_->drain(verb, signals, deadline);
  return result == exit_code::done ? drained : result;
}

std::optional<startup_error> node::start_receiving() {
  auto opened = receive_node::open(process_, *config_.receive);
  if (!opened)
    return opened.error();
  receive_ = std::move(*opened);
  if (auto listens = receive_->listen_all(); !listens)
    return startup_error{exit_code::cannot_create, listens.error().message};
  return std::nullopt;
}

std::optional<startup_error> node::start_source(const std::string& name, const ship_options& options) {
  auto started = start_ship_node(process_, options);
  if (!started)
    return startup_error{started.error().code, fmt::format("source {}: {}", name, started.error().message)};
  auto drained = ask<ship_report>(process_.system(), started->pipeline, drain_atom_v);
  sources_.emplace(name, running_source{std::move(*started), std::move(drained)});
  spdlog::info("source {}: following {}", name, fmt::join(options.sources, ", "));
  return std::nullopt;
}

exit_code node::end(
  const std::string& name, running_source& x, signal_wait* signals, std::chrono::steady_clock::time_point deadline) {
  auto who = fmt::format("{}: source {}", verb, name);
  auto result = wait_for(signals, x.drained, deadline)
                  ? conclude_shipping(who, x.drained.get(), *x.node.abandoned)
                  : explain_unfinished(who, present_status(signals, process_.system(), x.node.pipeline), "stopped");
  caf::anon_send_exit(x.node.pipeline, caf::exit_reason::user_shutdown);
  return result;
}

} // namespace sluice

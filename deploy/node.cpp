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
constexpr std::chrono::seconds retry_interval{1};

std::string name_of_source(const std::string& name) {
  return "source " + name;
}

} // namespace

std::optional<startup_error> node::start(configuration config) {
  config_ = std::move(config);
  if (config_.operations)
    if (auto failure = start_operations())
      return failure;
  if (config_.receive)
    if (auto failure = start_receiving())
      return failure;
  for (auto& [name, options] : config_.sources)
    if (auto failure = start_source(name, options))
      return failure;
  return std::nullopt;
}

std::optional<startup_error> node::start_operations() {
  auto opened = listen_for_operations(process_, *config_.operations);
  if (!opened)
    return startup_error{exit_code::cannot_create, opened.error().message};
  operations_ = std::move(*opened);
  return std::nullopt;
}

std::optional<startup_error> node::start_receiving() {
  auto opened = receive_node::open(process_, *config_.receive);
  if (!opened)
    return opened.error();
  receive_ = std::move(*opened);
  if (auto failure = receive_->listen_all())
    return failure;
  return ship_leftovers();
}

/// What is in the spools of listeners that are no more.
std::optional<startup_error> node::ship_leftovers() {
  while (config_.receive && config_.receive->relay) {
    auto left = make_left_relay(process_, *config_.receive->relay);
    if (!left)
      return left.error();
    if (!*left)
      break;
    auto name = (*left)->spool->folder.string();
    auto started = spawn_ship_pipeline(process_.system(), process_.env(), std::move(**left));
    departures_.add(watch(process_.system(), {name, started, nullptr}), std::nullopt);
  }
  return std::nullopt;
}

std::optional<startup_error> node::start_source(const std::string& name, const ship_options& options) {
  auto started = start_ship_node(process_, options);
  if (!started)
    return startup_error{started.error().code, fmt::format("source {}: {}", name, started.error().message)};
  sources_.emplace(name, watch(process_.system(), {name_of_source(name), started->pipeline, started->abandoned}));
  spdlog::info("source {}: following {}", name, fmt::join(options.sources, ", "));
  return std::nullopt;
}

bool node::has_failed() const {
  return (receive_ && receive_->has_failed()) ||
         std::ranges::any_of(sources_, [](auto& x) { return x.second.is_drained(); });
}

bool node::is_settled() const {
  return std::ranges::none_of(successors_, [this](auto& x) { return departures_.contains(name_of_source(x)); });
}

// -- reloading ----------------------------------------------------------------

std::optional<startup_error> node::reload(configuration next, reload_plan& plan) {
  auto relays = config_.receive && config_.receive->relay;
  if (auto failure = open_new(next, plan)) {
    if (receive_)
      end_lanes(receive_->undo(), relays);
    for (auto& name : plan.added_sources)
      end_source(name);
    return failure;
  }
  if (receive_)
    end_lanes(receive_->commit(), relays);
  for (auto* names : {&plan.removed_sources, &plan.changed_sources})
    for (auto& name : *names)
      end_source(name);
  config_ = std::move(next);
  successors_.clear();
  retry_at_ = {};
  for (auto& [name, options] : config_.sources)
    if (!sources_.contains(name))
      successors_.insert(name);
  return std::nullopt;
}

std::optional<startup_error> node::open_new(const configuration& next, reload_plan& plan) {
  for (auto* names : {&plan.added_sources, &plan.changed_sources})
    for (auto& name : *names)
      if (auto failure = check_ship_node(process_, next.sources.at(name)))
        return startup_error{failure->code, fmt::format("source {}: {}", name, failure->message)};
  if (receive_)
    if (auto failure = receive_->prepare(*next.receive, plan.listeners))
      return failure;
  for (auto& name : plan.added_sources)
    if (!departures_.contains(name_of_source(name)))
      if (auto failure = start_source(name, next.sources.at(name)))
        return failure;
  return std::nullopt;
}

void node::end_source(const std::string& name) {
  if (auto ended = sources_.extract(name))
    departures_.add(std::move(ended.mapped()), std::chrono::steady_clock::now() + config_.drain_timeout);
}

/// What is on its way to our own store cannot be had again, and is bounded; what is in a spool stays there.
void node::end_lanes(std::vector<running_pipeline> lanes, bool is_relay) {
  std::optional<time_point> deadline;
  if (is_relay)
    deadline = std::chrono::steady_clock::now() + config_.drain_timeout;
  for (auto& x : lanes)
    departures_.add(std::move(x), deadline);
}

std::optional<node::time_point> node::settle() {
  auto now = std::chrono::steady_clock::now();
  if (departures_.settle(now))
    if (auto failure = ship_leftovers())
      spdlog::error("{}; the next start ships what is left there", failure->message);
  auto next = departures_.next_deadline();
  if (successors_.empty())
    return next;
  if (now >= retry_at_)
    std::erase_if(successors_, [this, now](const std::string& name) {
      if (departures_.contains(name_of_source(name)))
        return false;
      auto failure = start_source(name, config_.sources.at(name));
      if (failure) {
        spdlog::error("{}; trying again", failure->message);
        retry_at_ = now + retry_interval;
      }
      return !failure;
    });
  if (retry_at_ > now && (!next || retry_at_ < *next))
    next = retry_at_;
  return next;
}

// -- the end --------------------------------------------------------------------

exit_code node::stop(signal_wait* signals) {
  auto deadline = std::chrono::steady_clock::now() + config_.drain_timeout;
  auto result = exit_code::done;
  for (auto& [name, x] : sources_)
    caf::anon_send(x.actor, stop_atom_v);
  for (auto& [name, x] : sources_)
    if (auto ended = end(x, signals, deadline); ended != exit_code::done)
      result = ended;
  if (!departures_.wait(signals, deadline) && result == exit_code::done)
    result = exit_code::not_acknowledged;
  if (!receive_)
    return result;
  auto drained = receive_->drain(verb, signals, deadline);
  return result == exit_code::done ? drained : result;
}

exit_code node::end(running_pipeline& x, signal_wait* signals, time_point deadline) {
  auto who = fmt::format("{}: {}", verb, x.name);
  auto result = wait_for(signals, x.drained, deadline)
                  ? conclude_shipping(who, x.drained.get(), *x.abandoned)
                  : explain_unfinished(who, present_status(signals, process_.system(), x.actor), "stopped");
  caf::anon_send_exit(x.actor, caf::exit_reason::user_shutdown);
  return result;
}

} // namespace sluice

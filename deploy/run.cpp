#include <cstdlib>
#include <map>

#include <CLI/App.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "deploy/cli.hpp"
#include "deploy/configuration.hpp"
#include "deploy/ship_outcome.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "run";

/// What a configuration names, running.
class node {
public:
  node(actor_process& process, const configuration& config) : process_(process), config_(config) {}

  std::optional<startup_error> start() {
    if (config_.receive)
      if (auto failure = start_receiving())
        return failure;
    for (auto& [name, options] : config_.sources)
      if (auto failure = start_source(name, options))
        return failure;
    return std::nullopt;
  }

  /// Whether it cannot go on.
  bool has_failed() const {
    constexpr std::chrono::seconds now{0};
    auto has_ended = [now](auto& x) { return x.second.drained.wait_for(now) == std::future_status::ready; };
    return (receive_ && receive_->has_failed()) || std::ranges::any_of(sources_, has_ended);
  }

  /// Ends what brings records, then what stores them.
  exit_code stop(signal_wait& signals) {
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

private:
  struct running_source {
    ship_node node;
    std::future<expected<ship_report>> drained; ///< Not before it is stopped, unless it fails.
  };

  std::optional<startup_error> start_receiving() {
    auto opened = receive_node::open(process_, *config_.receive);
    if (!opened)
      return opened.error();
    receive_ = std::move(*opened);
    if (auto listens = receive_->listen_all(); !listens)
      return startup_error{exit_code::cannot_create, listens.error().message};
    return std::nullopt;
  }

  std::optional<startup_error> start_source(const std::string& name, const ship_options& options) {
    auto started = start_ship_node(process_, options);
    if (!started)
      return startup_error{started.error().code, fmt::format("source {}: {}", name, started.error().message)};
    auto drained = ask<ship_report>(process_.system(), started->pipeline, drain_atom_v);
    sources_.emplace(name, running_source{std::move(*started), std::move(drained)});
    spdlog::info("source {}: following {}", name, fmt::join(options.sources, ", "));
    return std::nullopt;
  }

  exit_code end(
    const std::string& name, running_source& x, signal_wait& signals, std::chrono::steady_clock::time_point deadline) {
    auto who = fmt::format("{}: source {}", verb, name);
    auto result = wait_for(signals, x.drained, deadline)
                    ? conclude_shipping(who, x.drained.get(), *x.node.abandoned)
                    : explain_unfinished(who, present_status(signals, process_.system(), x.node.pipeline), "stopped");
    caf::anon_send_exit(x.node.pipeline, caf::exit_reason::user_shutdown);
    return result;
  }

  actor_process& process_;
  const configuration& config_;
  std::unique_ptr<receive_node> receive_;
  std::map<std::string, running_source> sources_;
};

int run(const std::string& file) {
  signal_wait signals;
  actor_process process;
  auto config = load_configuration(process.env().files, file);
  if (!config) {
    for (auto& line : config.error())
      fmt::print(stderr, "{}\n", line);
    return static_cast<int>(exit_code::configuration);
  }
  spdlog::set_level(spdlog::level::from_str(config->log_level));
  node running{process, *config};
  auto result = exit_code::done;
  if (auto failure = running.start()) {
    result = static_cast<exit_code>(report(verb, failure->code, failure->message));
  } else {
    for (auto event = signal_wait::event::reload; !running.has_failed() && event != signal_wait::event::terminate;) {
      if (event = signals.wait(); event != signal_wait::event::reload)
        continue;
      process.tls().refresh();
      spdlog::warn("SIGHUP: a running node does not read {} again; restart it", file);
    }
    spdlog::info("stopping");
  }
  auto ended = running.stop(signals);
  // Actors that do not end in time cannot be waited for either.
  if (ended != exit_code::done)
    std::_Exit(static_cast<int>(result == exit_code::done ? ended : result));
  return static_cast<int>(result);
}

} // namespace

void add_run(CLI::App& app) {
  auto* sub = app.add_subcommand("run", "Run what a configuration file names");
  auto file = std::make_shared<std::string>();
  sub->add_option("-c,--config", *file, "The configuration file")->required()->type_name("FILE");
  use_log();
  sub->callback([file] { finish(run(*file)); });
}

} // namespace sluice

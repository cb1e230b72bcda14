#include <cstdlib>

#include <CLI/App.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "deploy/cli.hpp"
#include "deploy/node.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "run";

void print(const std::vector<std::string>& problems) {
  for (auto& line : problems)
    fmt::print(stderr, "{}\n", line);
}

/// Goes over to what the file says now, or goes on as before and says why.
void reload(node& running, actor_process& process, const std::string& file) {
  constexpr auto refused = "SIGHUP: {} is not taken, and everything goes on as before: {}";
  process.tls().refresh();
  auto next = load_configuration(process.env().files, file);
  if (!next) {
    print(next.error());
    return spdlog::error(refused, file, next.error().front());
  }
  auto plan = plan_reload(running.config(), *next);
  if (!plan) {
    std::vector<std::string> lines;
    for (auto& x : plan.error())
      lines.push_back(to_line(file, x));
    print(lines);
    return spdlog::error(refused, file, lines.front());
  }
  auto level = spdlog::level::from_str(next->log_level);
  if (auto failure = running.reload(std::move(*next), *plan))
    return spdlog::error(refused, file, failure->message);
  spdlog::info("SIGHUP: {} is taken: {}", file, to_string(*plan));
  spdlog::set_level(level);
}

/// Until there is a signal to end, or it cannot go on.
void keep_running(node& running, signal_wait& signals, actor_process& process, const std::string& file) {
  auto is_to_reload = false;
  for (;;) {
    auto next = running.settle();
    if (running.has_failed())
      return;
    if (is_to_reload && running.is_settled()) {
      is_to_reload = false;
      reload(running, process, file);
      continue;
    }
    switch (signals.wait(next)) {
    case signal_wait::event::terminate:
      return;
    case signal_wait::event::reload:
      is_to_reload = true;
      if (!running.is_settled())
        spdlog::info("SIGHUP: {} is read once what the last time has ended is gone", file);
      break;
    default:
      break;
    }
  }
}

int run(const std::string& file) {
  signal_wait signals;
  actor_process process;
  auto config = load_configuration(process.env().files, file);
  if (!config) {
    print(config.error());
    return static_cast<int>(exit_code::configuration);
  }
  spdlog::set_level(spdlog::level::from_str(config->log_level));
  node running{process};
  auto result = exit_code::done;
  if (auto failure = running.start(std::move(*config))) {
    result = static_cast<exit_code>(report(verb, failure->code, failure->message));
  } else {
    keep_running(running, signals, process, file);
    spdlog::info("stopping");
  }
  auto ended = running.stop(&signals);
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

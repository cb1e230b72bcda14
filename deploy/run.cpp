#include <cstdlib>

#include <CLI/App.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "deploy/cli.hpp"
#include "deploy/node.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "run";

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
  node running{process};
  auto result = exit_code::done;
  if (auto failure = running.start(std::move(*config))) {
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

#include <csignal>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "deploy/cli.hpp"

int main(int argc, char** argv) {
  using namespace sluice;
  // A peer or reader that goes away is an error of that write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Sluice moves log records from where they arise to durable storage.", "sluice"};
  app.set_version_flag("--version", SLUICE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  add_run(app);
  add_validate(app);
  add_ship(app);
  add_receive(app);
  add_query(app);
  add_store(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& end) {
    return end.get_exit_code();
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& wrong) {
    auto subcommands = app.get_subcommands();
    auto verb = subcommands.empty() ? "sluice" : "sluice " + subcommands.front()->get_name();
    fmt::print(stderr, "{0}: {1}\nTry '{0} --help'.\n", verb, wrong.what());
    return static_cast<int>(exit_code::usage);
  } catch (const std::exception& failure) {
    return report("", exit_code::io_error, failure.what());
  }
  return static_cast<int>(exit_code::done);
}

#include <algorithm>
#include <csignal>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "deploy/cli.hpp"
#include "deploy/configuration_reader.hpp"

namespace {

/// What is wrong with the command line. An argument that nobody knows comes before one that is missing, for it may be
/// that one, misspelt.
std::string explain(const CLI::App& app, const CLI::ParseError& wrong) {
  auto unknown = app.remaining(true);
  if (unknown.empty())
    return wrong.what();
  auto first = std::ranges::find_if(unknown, [](auto& x) { return x.starts_with('-'); });
  auto& written = first == unknown.end() ? unknown.front() : *first;
  auto* at = &app;
  while (!at->get_subcommands().empty())
    at = at->get_subcommands().front();
  std::vector<std::string> known;
  for (auto* x : at->get_options())
    for (auto& name : x->get_lnames())
      known.push_back("--" + name);
  for (auto* x : at->get_subcommands([](auto*) { return true; }))
    known.push_back(x->get_name());
  auto meant = sluice::suggest(written, known);
  return meant.empty() ? fmt::format("'{}' is not expected here", written)
                       : fmt::format("'{}' is not known; did you mean '{}'?", written, meant);
}

} // namespace

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
    fmt::print(stderr, "{0}: {1}\nTry '{0} --help'.\n", verb, explain(app, wrong));
    return static_cast<int>(exit_code::usage);
  } catch (const std::exception& failure) {
    return report("", exit_code::io_error, failure.what());
  }
  return static_cast<int>(exit_code::done);
}

#include <CLI/App.hpp>
#include <fmt/format.h>

#include "deploy/cli.hpp"
#include "deploy/configuration.hpp"
#include "transport/posix_file_system.hpp"

namespace sluice {

namespace {

exit_code validate(const std::vector<std::string>& names) {
  posix_file_system files;
  auto result = exit_code::done;
  for (auto& name : names) {
    auto read = load_configuration(files, name);
    if (read) {
      fmt::print("{}: OK\n", name);
      continue;
    }
    result = exit_code::configuration;
    for (auto& line : read.error())
      fmt::print(stderr, "{}\n", line);
  }
  return result;
}

} // namespace

void add_validate(CLI::App& app) {
  auto* sub = app.add_subcommand("validate", "Check configuration files, and tell of all that is wrong with them");
  auto names = std::make_shared<std::vector<std::string>>();
  sub->add_option("FILE", *names, "Configuration files")->required();
  sub->callback([names] { finish(static_cast<int>(validate(*names))); });
}

} // namespace sluice

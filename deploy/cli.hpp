#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Error.hpp>
#include <CLI/Option.hpp>

#include "messages/errc.hpp"
#include "messages/label_set.hpp"
#include "messages/record_codec.hpp"
#include "transport/endpoint.hpp"

/// What the verbs of the command line share: exit codes, values with units, the log.

namespace sluice {

/// What the process ends with (sysexits.h).
enum class exit_code : int {
  done = 0,
  usage = 64,
  bad_data = 65,
  unavailable = 69,
  cannot_create = 73,
  io_error = 74,
  not_acknowledged = 75,
  configuration = 78,
};

/// The exit code that tells a script what `reason` tells a person.
exit_code to_exit_code(errc reason);

/// Why something could not be started, and what a script is told.
struct startup_error {
  exit_code code = exit_code::done;
  std::string message;
};

/// Prints `sluice VERB: message` on stderr and gives back the exit code.
int report(std::string_view verb, const error& reason);
int report(std::string_view verb, exit_code code, std::string_view message);

/// `500ms`, `5s`, `2m`, `1h`. Errors: invalid_argument.
expected<std::chrono::milliseconds> parse_duration(std::string_view text);

/// `4096`, `64KiB`, `1MiB`, `2GiB`, also `KB`, `MB`, `GB` for powers of ten. Errors: invalid_argument.
expected<std::uint64_t> parse_size(std::string_view text);

/// A whole number within bounds. Errors: invalid_argument, naming them.
expected<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most);

/// A name of a severity, as `warning`. Errors: invalid_argument, saying what is accepted.
expected<severity> parse_level(std::string_view text);

/// Where frames go or come from, as `tcp://host:7070`. Errors: invalid_argument, also for a scheme that carries no
/// frames.
expected<endpoint> parse_link_endpoint(std::string_view url);

/// `1.2 MiB`.
std::string format_size(double bytes);

/// An option whose text `parse` turns into a value, or says what is wrong with it; that is a usage error then.
template <class T, class Parse>
CLI::Option* add_parsed(
  CLI::App& app, const std::string& name, T& value, const std::string& type, const std::string& help, Parse parse) {
  return app
    .add_option_function<std::string>(
      name,
      [&value, name, parse](const std::string& text) {
        auto parsed = parse(text);
        if (!parsed)
          throw CLI::ValidationError(name, parsed.error().message);
        value = *parsed;
      },
      help)
    ->type_name(type);
}

/// An option whose value is a whole number from `least` to `most`.
template <class T>
CLI::Option* add_count(
  CLI::App& app, const std::string& name, T& value, std::uint64_t least, std::uint64_t most, const std::string& help) {
  return add_parsed(app, name, value, "N", help, [least, most](const std::string& text) {
    return parse_count(text, least, most).map([](std::uint64_t count) { return static_cast<T>(count); });
  });
}

/// Options whose values have units or form; a value that cannot be read is a usage error that says what can.
CLI::Option* add_duration(
  CLI::App& app, const std::string& name, std::chrono::milliseconds& value, const std::string& help);
CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& value, const std::string& help);
CLI::Option* add_labels(CLI::App& app, label_set& labels, const std::string& help);

/// The log goes to stderr.
void use_log();

/// The same, with `--log-level` of every verb that runs actors.
void add_log_options(CLI::App& app);

/// Adds a verb; its callback sets the process's exit code by throwing `CLI::RuntimeError`.
void add_ship(CLI::App& app);
void add_receive(CLI::App& app);
void add_query(CLI::App& app);
void add_store(CLI::App& app);
void add_run(CLI::App& app);
void add_validate(CLI::App& app);

/// Ends the verb with `code`.
[[noreturn]] void finish(int code);

} // namespace sluice

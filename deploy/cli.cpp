#include "deploy/cli.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

#include <CLI/Error.hpp>
#include <CLI/Option.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace sluice {

namespace {

template <class Unit, std::size_t N>
std::optional<double> with_unit(std::string_view text, const std::array<Unit, N>& units) {
  double number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || number < 0)
    return std::nullopt;
  std::string_view suffix{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  for (auto& [name, factor] : units)
    if (suffix == name)
      return number * factor;
  return std::nullopt;
}

constexpr double kibi = 1024, kilo = 1000;

} // namespace

exit_code to_exit_code(errc reason) {
  switch (reason) {
  case errc::none:
    return exit_code::done;
  case errc::invalid_argument:
    return exit_code::usage;
  case errc::truncated:
  case errc::bad_magic:
  case errc::unsupported_version:
  case errc::too_large:
  case errc::bad_checksum:
  case errc::malformed:
  case errc::unknown_codec:
  case errc::decompression_failed:
  case errc::sequence_gap:
    return exit_code::bad_data;
  case errc::stale_epoch:
    return exit_code::not_acknowledged;
  case errc::foreign_protocol:
  case errc::protocol_violation:
  case errc::timed_out:
  case errc::connection_lost:
  case errc::unreachable:
  case errc::shutting_down:
  case errc::overloaded:
  case errc::untrusted:
    return exit_code::unavailable;
  case errc::address_in_use:
  case errc::locked:
    return exit_code::cannot_create;
  case errc::storage_full:
  case errc::io_error:
  case errc::not_found:
  case errc::permission_denied:
  case errc::is_a_directory:
  case errc::not_rereadable:
  case errc::actor_failed:
    return exit_code::io_error;
  }
  return exit_code::io_error;
}

int report(std::string_view verb, exit_code code, std::string_view message) {
  fmt::print(stderr, "sluice {}: {}\n", verb, message);
  return static_cast<int>(code);
}

int report(std::string_view verb, const error& reason) {
  return report(verb, to_exit_code(reason.code), reason.message);
}

expected<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 5> units{
    {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}}};
  auto value = with_unit(text, units);
  constexpr double longest = 1000.0 * 86400e3;
  if (!value || *value > longest)
    return fail(
      errc::invalid_argument, fmt::format("'{}' is not a duration; write for instance 500ms, 5s, 2m or 1h", text));
  return std::chrono::milliseconds{static_cast<std::int64_t>(*value)};
}

expected<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 8> units{{{"", 1}, {"B", 1}, {"KiB", kibi},
    {"MiB", kibi * kibi}, {"GiB", kibi * kibi * kibi}, {"KB", kilo}, {"MB", kilo * kilo}, {"GB", kilo * kilo * kilo}}};
  auto value = with_unit(text, units);
  constexpr double largest = 1e18;
  if (!value || *value > largest)
    return fail(
      errc::invalid_argument, fmt::format("'{}' is not a size; write for instance 4096, 64KiB or 1MiB", text));
  return static_cast<std::uint64_t>(*value);
}

expected<std::uint64_t> parse_count(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t count = 0;
  auto* end = text.data() + text.size();
  auto [read, failure] = std::from_chars(text.data(), end, count);
  if (failure != std::errc{} || read != end || count < least || count > most)
    return fail(errc::invalid_argument, fmt::format("'{}' is not a whole number between {} and {}", text, least, most));
  return count;
}

expected<severity> parse_level(std::string_view text) {
  if (auto level = parse_severity(text))
    return *level;
  return fail(errc::invalid_argument,
    fmt::format(
      "'{}' is not a severity; write emergency, alert, critical, error, warning, notice, informational or debug",
      text));
}

expected<endpoint> parse_link_endpoint(std::string_view url) {
  auto parsed = parse_endpoint(url);
  if (parsed && !is_link_scheme(parsed->scheme))
    return fail(errc::invalid_argument,
      fmt::format("{}: unknown scheme '{}'; frames go over tcp, tls and udp", url, parsed->scheme));
  return parsed;
}

std::string format_size(double bytes) {
  static constexpr std::array<std::string_view, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= kibi && unit + 1 < units.size(); ++unit)
    bytes /= kibi;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

CLI::Option* add_duration(
  CLI::App& app, const std::string& name, std::chrono::milliseconds& value, const std::string& help) {
  return add_parsed(app, name, value, "DURATION", help, parse_duration);
}

CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& value, const std::string& help) {
  return add_parsed(app, name, value, "SIZE", help, parse_size);
}

CLI::Option* add_labels(CLI::App& app, label_set& labels, const std::string& help) {
  return app
    .add_option_function<std::vector<std::string>>(
      "--label",
      [&labels](const std::vector<std::string>& given) {
        for (auto& text : given) {
          auto split = text.find('=');
          if (split == std::string::npos)
            throw CLI::ValidationError("--label", fmt::format("'{}' is not of the form KEY=VALUE", text));
          auto key = text.substr(0, split);
          if (labels.find(key))
            throw CLI::ValidationError("--label", fmt::format("label '{}' is given twice", key));
          if (auto set = labels.set(key, text.substr(split + 1)); !set)
            throw CLI::ValidationError("--label", set.error().message);
        }
      },
      help)
    ->type_name("KEY=VALUE")
    ->expected(1)
    ->take_all();
}

void use_log() {
  if (spdlog::get("sluice"))
    return;
  auto logger = spdlog::stderr_color_mt("sluice");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%-8l%$ %v");
  spdlog::set_default_logger(logger);
}

void add_log_options(CLI::App& app) {
  use_log();
  app
    .add_option_function<std::string>(
      "--log-level", [](const std::string& level) { spdlog::set_level(spdlog::level::from_str(level)); },
      "How much to log on stderr")
    ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}));
}

void finish(int code) {
  throw CLI::RuntimeError(code);
}

} // namespace sluice

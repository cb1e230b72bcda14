#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "deploy/configuration_reader.hpp"
#include "deploy/receive_node.hpp"
#include "deploy/ship_node.hpp"

namespace sluice {

/// What a node is to do (docs/specs/configuration.md).
struct configuration {
  std::string log_level = "info";
  std::chrono::milliseconds drain_timeout{30'000};
  std::map<std::string, ship_options> sources;           ///< By name; each with what it is shipped with.
  std::optional<receive_options> receive;                ///< If something is received or stored.
  std::optional<endpoint> operations;                    ///< Where to tell of the node over HTTP.
  std::map<std::string, configuration_setting> settings; ///< As it is written.
};

/// Reads the text of a configuration file. Fails with all that is wrong with it, in the order of the file.
tl::expected<configuration, std::vector<configuration_problem>> read_configuration(const std::string& text);

/// Reads a configuration file. Fails with a line for the operator on each thing that is wrong:
/// `FILE:LINE:COL: key: message`.
tl::expected<configuration, std::vector<std::string>> load_configuration(
  file_system& files, const std::filesystem::path& file);

/// A problem as a line for the operator.
std::string to_line(const std::filesystem::path& file, const configuration_problem& x);

inline constexpr std::size_t max_configuration_bytes = 1024 * 1024;
inline constexpr std::size_t max_configuration_problems = 100; ///< Further ones are only counted.

} // namespace sluice

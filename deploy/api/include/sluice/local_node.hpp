#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sluice/result.hpp>
#include <sluice/shipper.hpp>

namespace sluice {

struct node_options {
  /// What else the node is to do (docs/specs/configuration.md): follow files, receive, store. Nothing if empty.
  std::filesystem::path configuration_file{};
};

/// One figure that a node has counted (docs/specs/metrics.md).
struct metric {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

/// A node within this program: its threads, its connections, and what runs on them. One is enough for any number of
/// shippers. Its threads take no signals. Thread-safe, but for moving and destruction.
class local_node {
public:
  /// Errors: invalid_argument, with a line for each mistake in the configuration; io_error for what of
  /// it cannot be started.
  static result<local_node> start(const node_options& options = {});

  local_node(local_node&&) noexcept;
  local_node& operator=(local_node&&) noexcept;

  /// Ends what the configuration names, in order, within its `drain_timeout`. The threads end with the last shipper.
  ~local_node();

  /// Connects in the background, and again as often as it takes. Errors: invalid_argument for an option or TLS
  /// files; else why `data_dir` cannot be used.
  result<shipper> spawn_shipper(const shipper_options& options);

  /// Whether something of the configuration has failed for good.
  bool has_failed() const;

  std::vector<metric> metrics() const;

private:
  struct impl;
  explicit local_node(std::unique_ptr<impl> made);

  std::unique_ptr<impl> impl_;
};

} // namespace sluice

#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

class file_system;

/// `$XDG_STATE_HOME/sluice`, or `~/.local/state/sluice`.
std::string default_state_folder();

/// Which agent this is, and which of its starts.
struct agent_identity {
  id128 producer{}; ///< A random UUID (RFC 4122 section 4.4), made on first use.
  std::uint64_t epoch = 0;
};

/// Begins a start of the agent that `folder` keeps, and of which several processes may run: each call gives the same
/// producer and the next epoch, which is durable when it returns. Another process that does the same is waited for.
/// Errors: locked after `patience`, malformed, those of the file system.
expected<agent_identity> load_agent(file_system& files, const std::filesystem::path& folder,
  std::chrono::milliseconds patience = std::chrono::seconds{2});

} // namespace sluice

#pragma once

#include <filesystem>
#include <string>

#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

class file_system;

/// `$XDG_STATE_HOME/sluice`, or `~/.local/state/sluice`.
std::string default_state_folder();

/// The identity of this agent, a random UUID (RFC 4122 section 4.4) that is made on first use and kept in `folder`.
expected<id128> load_producer_id(file_system& files, const std::filesystem::path& folder);

} // namespace sluice

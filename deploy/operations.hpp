#pragma once

#include <memory>
#include <string_view>

#include "deploy/process.hpp"

namespace sluice {

/// `HOST:PORT`, or the same as a URL. Errors: invalid_argument.
expected<endpoint> parse_operations_address(std::string_view text);

/// Tells of this process over HTTP (docs/specs/operations.md) as long as the listener lives. Errors: those of
/// `network::listen`.
expected<std::unique_ptr<http_listener>> listen_for_operations(actor_process& process, const endpoint& where);

} // namespace sluice

#pragma once

#include <caf/error.hpp>
#include <caf/is_error_code_enum.hpp>

#include "actors/type_ids.hpp"
#include "messages/errc.hpp"

/// Errors between actors are `caf::error`, everywhere else `sluice::error`; this is where one becomes the other.

namespace sluice {

/// Keeps code and message.
caf::error to_caf(const error& reason);

/// Codes of CAF's own become timed_out, connection_lost or shutting_down, with CAF's description as the message.
error from_caf(const caf::error& reason);

} // namespace sluice

#pragma once

#include <boost/system/error_code.hpp>

#include "messages/errc.hpp"
#include "transport/endpoint.hpp"

namespace sluice {

/// Why there is no listener. Errors: address_in_use, permission_denied, invalid_argument, io_error.
tl::unexpected<error> cannot_listen(const endpoint& where, const boost::system::error_code& why);

} // namespace sluice

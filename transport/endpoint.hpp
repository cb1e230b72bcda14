#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "messages/errc.hpp"

namespace sluice {

/// Where a lane begins or ends, written as a URL: `tcp://host:port`, `tcp://[::1]:port`.
struct endpoint {
  std::string scheme;
  std::string host; ///< Name or address, without brackets.
  std::uint16_t port = 0;

  friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// Errors: invalid_argument, with a sentence that says what an endpoint looks like.
expected<endpoint> parse_endpoint(std::string_view url);

std::string to_string(const endpoint& where);

/// Whether frames go over it: tcp, tls, udp.
bool is_link_scheme(std::string_view scheme) noexcept;

} // namespace sluice

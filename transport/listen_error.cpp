#include "transport/listen_error.hpp"

#include <boost/asio/error.hpp>
#include <fmt/format.h>

namespace sluice {

tl::unexpected<error> cannot_listen(const endpoint& where, const boost::system::error_code& why) {
  auto code = errc::io_error;
  if (why == boost::asio::error::address_in_use)
    code = errc::address_in_use;
  else if (why == boost::asio::error::access_denied)
    code = errc::permission_denied;
  else if (why.category() != boost::asio::error::get_system_category() || why.value() == EADDRNOTAVAIL)
    code = errc::invalid_argument;
  return fail(code, fmt::format("{}: cannot listen: {}{}", to_string(where), why.message(),
                      code == errc::address_in_use ? "; end what listens there, or give another address" : ""));
}

} // namespace sluice

#include "transport/udp_socket.hpp"

#include <array>

#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/listen_error.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;

udp::endpoint resolve(udp::socket& socket, const endpoint& where, error_code& failure) {
  error_code not_numeric;
  auto address = asio::ip::make_address(where.host, not_numeric);
  if (!not_numeric)
    return {address, where.port};
  udp::resolver resolver{socket.get_executor()};
  auto found = resolver.resolve(where.host, std::to_string(where.port), udp::resolver::passive, failure);
  return failure ? udp::endpoint{} : found.begin()->endpoint();
}

void adopt(udp::socket& socket, const udp& protocol, int descriptor, error_code& failure) {
  socket.assign(protocol, descriptor, failure);
  if (failure)
    ::close(descriptor);
}

/// The kernel counts twice what is asked for, for its own needs (socket(7)).
void widen(int socket, const endpoint& local, int bytes) {
  if (::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  int got = 0;
  socklen_t size = sizeof got;
  if (::getsockopt(socket, SOL_SOCKET, SO_RCVBUF, &got, &size) == 0 && got / 2 < bytes)
    spdlog::warn("{}: the socket's buffer has {} KiB of {} KiB; raise net.core.rmem_max, or bursts are dropped",
      to_string(local), got / 2048, bytes / 1024);
}

} // namespace

expected<endpoint> bind_udp(udp::socket& socket, const endpoint& where, std::size_t buffer_bytes,
  const std::function<int(const udp::endpoint&)>& take_share) {
  error_code failure;
  auto address = resolve(socket, where, failure);
  auto shared = take_share && !failure ? take_share(address) : -1;
  if (shared != -1)
    adopt(socket, address.protocol(), shared, failure);
  else if (!failure)
    socket.open(address.protocol(), failure);
  if (shared == -1 && !failure)
    socket.bind(address, failure);
  if (!failure)
    socket.non_blocking(true, failure);
  if (failure)
    return cannot_listen(where, failure);
  int on = 1;
  ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  endpoint local{where.scheme, where.host, socket.local_endpoint(failure).port()};
  widen(socket.native_handle(), local, static_cast<int>(buffer_bytes));
  return local;
}

std::optional<std::uint32_t> dropped_by_kernel(udp::socket& socket) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> found{};
  socklen_t size = sizeof found;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_MEMINFO, found.data(), &size) != 0)
    return std::nullopt;
  return found[SK_MEMINFO_DROPS];
}

std::optional<std::size_t> path_bytes(udp::socket& socket) {
  error_code failure;
  auto is_v4 = socket.remote_endpoint(failure).address().is_v4();
  auto headers = is_v4 ? 20 + 8 : 40 + 8;
  int bytes = 0;
  socklen_t size = sizeof bytes;
  auto found = ::getsockopt(socket.native_handle(), is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_MTU : IPV6_MTU,
                 &bytes, &size) == 0;
  if (failure || !found || bytes <= headers)
    return std::nullopt;
  return static_cast<std::size_t>(bytes - headers);
}

} // namespace sluice

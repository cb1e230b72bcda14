#pragma once

#include <array>
#include <cstring>
#include <numeric>
#include <optional>

#include <boost/asio/ip/udp.hpp>
#include <sys/socket.h>

#include "messages/buffer.hpp"

namespace sluice {

/// Room for datagrams that one system call fills. Only pages that were written to take memory. Not thread-safe.
class datagram_slots {
public:
  static constexpr std::size_t count = 128;            ///< Datagrams per system call.
  static constexpr std::size_t slot_bytes = 64 * 1024; ///< The longest there are.

  datagram_slots() : memory_(count * slot_bytes) {
    memory_.resize(count * slot_bytes);
    for (std::size_t i = 0; i < count; ++i) {
      parts_[i] = {memory_.data() + i * slot_bytes, slot_bytes};
      headers_[i].msg_hdr.msg_iov = &parts_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
      headers_[i].msg_hdr.msg_control = control_[i].data();
      headers_[i].msg_hdr.msg_name = senders_[i].data();
    }
  }
  datagram_slots(const datagram_slots&) = delete;

  /// How many came; negative if none is there or something is wrong, which `errno` tells.
  int receive(int socket) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      headers_[i].msg_hdr.msg_controllen = control_bytes;
      headers_[i].msg_hdr.msg_namelen = static_cast<socklen_t>(senders_[i].capacity());
    }
    return ::recvmmsg(socket, headers_.data(), count, MSG_DONTWAIT, nullptr);
  }

  byte_view bytes(std::size_t i) const noexcept {
    return {static_cast<const std::byte*>(parts_[i].iov_base), headers_[i].msg_len};
  }

  /// Of the first `n` together.
  std::size_t total_bytes(std::size_t n) const noexcept {
    return std::accumulate(headers_.begin(), headers_.begin() + static_cast<std::ptrdiff_t>(n), std::size_t{0},
      [](std::size_t sum, const mmsghdr& x) { return sum + x.msg_len; });
  }

  const boost::asio::ip::udp::endpoint& sender(std::size_t i) const noexcept { return senders_[i]; }

  /// What the kernel has dropped since the socket was opened, modulo 2^32, as it was before datagram `i`.
  std::optional<std::uint32_t> dropped(std::size_t i) noexcept {
    auto& header = headers_[i].msg_hdr;
    for (auto* at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at))
      if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
        std::uint32_t sum = 0;
        std::memcpy(&sum, CMSG_DATA(at), sizeof sum);
        return sum;
      }
    return std::nullopt;
  }

private:
  static constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(std::uint32_t));

  buffer memory_;
  std::array<iovec, count> parts_{};
  std::array<mmsghdr, count> headers_{};
  std::array<boost::asio::ip::udp::endpoint, count> senders_{};
  alignas(cmsghdr) std::array<std::array<std::byte, control_bytes>, count> control_{};
};

} // namespace sluice

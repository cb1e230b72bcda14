#include "transport/datagram_tokens.hpp"

#include <algorithm>
#include <random>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "messages/detail/endian.hpp"

namespace sluice {

datagram_tokens::datagram_tokens() {
  std::random_device device;
  std::ranges::generate(key_, [&device] { return static_cast<unsigned char>(device()); });
}

std::uint64_t datagram_tokens::make(
  const boost::asio::ip::udp::endpoint& peer, std::uint64_t connection, datagram_clock::time_point now) const {
  buffer text;
  detail::byte_writer out{text};
  out.text(peer.address().to_string());
  out.u8(0);
  out.u16(peer.port());
  out.u64(connection);
  out.u64(static_cast<std::uint64_t>(now.time_since_epoch() / step));
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), reinterpret_cast<const unsigned char*>(text.data()),
    text.size(), hash.data(), nullptr);
  return detail::load_le<std::uint64_t>(reinterpret_cast<const std::byte*>(hash.data())) | 1; // 0 is none
}

bool datagram_tokens::is_right(std::uint64_t token, const boost::asio::ip::udp::endpoint& peer,
  std::uint64_t connection, datagram_clock::time_point now) const {
  return token == make(peer, connection, now) || token == make(peer, connection, now - step);
}

} // namespace sluice

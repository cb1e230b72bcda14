#pragma once

#include "transport/network.hpp"

namespace sluice {

class local_links;
class datagram_tally;
class network_engine;
class tls_contexts;

/// Links over TCP, schemes `tcp` and `tls` (docs/specs/protocol.md), over UDP, scheme `udp` (docs/specs/datagram.md),
/// and within this process (transport/local_links.hpp). One thread of its own does all input and output and makes all
/// calls of handlers. A call that waits for a thread which destroys that handler's link would wait for ever.
///
/// Destroying it waits, at most about a second, for destroyed links to send what they still hold. Links and listeners
/// that outlive it are mute. It must not be destroyed by a handler.
class socket_network final : public network {
public:
  /// What all links together may hold of messages beyond 2 MiB each and beyond the credit that their owners grant. A
  /// link that would need more is closed with `overloaded`.
  static constexpr std::size_t default_large_message_bytes = 256 * 1024 * 1024;

  explicit socket_network(std::size_t max_large_message_bytes = default_large_message_bytes);
  ~socket_network() override;

  /// A link to another scheme's endpoint closes with invalid_argument. What is sent before it is open waits; if it is
  /// destroyed before it is open, that is lost.
  std::unique_ptr<link> connect(const endpoint& peer, const link_options& options) override;

  expected<std::unique_ptr<listener>> listen(
    const endpoint& where, const link_options& options, accept_handler on_accept) override;

  expected<std::unique_ptr<intake_listener>> listen(
    const endpoint& where, const byte_options& options, std::shared_ptr<byte_handler> handler) override;
  expected<std::unique_ptr<intake_listener>> listen(
    const endpoint& where, const datagram_options& options, std::shared_ptr<datagram_handler> handler) override;
  expected<std::unique_ptr<http_listener>> listen(
    const endpoint& where, const http_options& options, std::shared_ptr<http_handler> handler) override;

  /// Where the options' `tls` comes from.
  tls_contexts& tls() noexcept;

  /// Where the datagrams of links are counted.
  datagram_tally& datagrams() noexcept;

private:
  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<local_links> local_;
};

} // namespace sluice

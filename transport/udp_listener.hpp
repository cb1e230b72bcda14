#pragma once

#include <memory>

#include "messages/errc.hpp"
#include "transport/intake.hpp"

namespace sluice {

class network_engine;

/// A datagram listener on UDP. Reads many datagrams with one system call, on the engine's thread, and has the kernel
/// count those that it had to drop (SO_RXQ_OVFL, socket(7)); tells of them within a second or so.
class udp_listener final : public intake_listener {
public:
  /// Errors: address_in_use, permission_denied, invalid_argument, io_error.
  static expected<std::unique_ptr<intake_listener>> open(const std::shared_ptr<network_engine>& engine,
    const endpoint& where, const datagram_options& options, std::shared_ptr<datagram_handler> handler);

  ~udp_listener() override;

  const endpoint& local() const noexcept override { return local_; }
  void grant(std::size_t bytes) override;
  void finish() override;

private:
  class reader;

  udp_listener(std::shared_ptr<network_engine> engine, std::shared_ptr<reader> reader);

  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<reader> reader_;
  endpoint local_;
};

} // namespace sluice

#pragma once

#include <memory>

#include "transport/intake.hpp"

namespace sluice {

class network_engine;
class tcp_acceptor;

/// A byte listener on TCP. What its peers send is read on the engine's thread.
class tcp_byte_listener final : public intake_listener {
public:
  /// Errors: those of `tcp_acceptor::open`.
  static expected<std::unique_ptr<intake_listener>> open(const std::shared_ptr<network_engine>& engine,
    const endpoint& where, const byte_options& options, std::shared_ptr<byte_handler> handler);

  ~tcp_byte_listener() override;

  const endpoint& local() const noexcept override { return local_; }
  void grant(std::size_t bytes) override;
  void finish() override;

private:
  class peers;

  tcp_byte_listener(std::shared_ptr<network_engine> engine, std::shared_ptr<peers> peers);

  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<peers> peers_;
  std::unique_ptr<tcp_acceptor> acceptor_; ///< Null once it finishes.
  endpoint local_;
};

} // namespace sluice

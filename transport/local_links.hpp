#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "transport/network.hpp"

namespace sluice {

class network_engine;

/// Links within a process, scheme `local`: between what receives from others and the store of the same node, for
/// instance. They keep the promises of `link`, credit included, without sockets; handlers are called on the engine's
/// thread. Thread-safe.
class local_links : public std::enable_shared_from_this<local_links> {
public:
  explicit local_links(const std::shared_ptr<network_engine>& engine) : engine_(engine) {}

  std::unique_ptr<link> connect(const endpoint& peer);

  /// Errors: address_in_use.
  expected<std::unique_ptr<listener>> listen(const endpoint& where, network::accept_handler on_accept);

private:
  class side;
  class local_link;
  class local_listener;

  void accept(const std::string& where, const std::shared_ptr<side>& caller);

  std::weak_ptr<network_engine> engine_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<network::accept_handler>> listeners_;
};

} // namespace sluice

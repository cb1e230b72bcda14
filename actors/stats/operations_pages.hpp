#pragma once

#include <caf/fwd.hpp>

#include "transport/http.hpp"

namespace sluice {

/// What a node tells over HTTP to those who look after it (docs/specs/operations.md). Every request is answered as soon
/// as its head is there, on the network's thread: all metrics take it about 0.3 ms, however many connections there are,
/// for an actor's metrics are those of its kind. Thread-safe.
class operations_pages final : public http_handler {
public:
  /// `system` outlives the listener.
  explicit operations_pages(caf::actor_system& system) : system_(system) {}

  std::optional<http_answer> on_head(const http_head& head) override;
  void on_request(request_id, http_request) override {}
  void on_refused(unsigned) override {}
  void on_finished() override {}

private:
  http_answer metrics() const;
  http_answer readiness() const;

  caf::actor_system& system_;
};

} // namespace sluice

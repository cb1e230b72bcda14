#pragma once

#include <memory>

#include "messages/errc.hpp"
#include "transport/http.hpp"

namespace sluice {

class http_service;
class network_engine;
class tcp_acceptor;

/// An HTTP/1.1 server on TCP, on the engine's thread.
class http_server final : public http_listener {
public:
  /// Errors: those of `tcp_acceptor::open`.
  static expected<std::unique_ptr<http_listener>> open(const std::shared_ptr<network_engine>& engine,
    const endpoint& where, const http_options& options, std::shared_ptr<http_handler> handler);

  ~http_server() override;

  const endpoint& local() const noexcept override { return local_; }
  void answer(request_id id, http_answer answer) override;
  void finish() override;

private:
  http_server(std::shared_ptr<network_engine> engine, std::shared_ptr<http_service> service);

  std::shared_ptr<network_engine> engine_;
  std::shared_ptr<http_service> service_;
  std::unique_ptr<tcp_acceptor> acceptor_; ///< Null once it finishes.
  endpoint local_;
};

} // namespace sluice

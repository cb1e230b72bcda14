#include "transport/http_server.hpp"

#include <fmt/format.h>

#include "transport/http_service.hpp"
#include "transport/network_engine.hpp"
#include "transport/tcp_acceptor.hpp"

namespace sluice {

http_server::http_server(std::shared_ptr<network_engine> engine, std::shared_ptr<http_service> service)
  : engine_{std::move(engine)}, service_{std::move(service)} {}

http_server::~http_server() {
  acceptor_.reset();
  service_->close();
}

expected<std::unique_ptr<http_listener>> http_server::open(const std::shared_ptr<network_engine>& engine,
  const endpoint& where, const http_options& options, std::shared_ptr<http_handler> handler) {
  auto used = options;
  if (where.scheme != "https")
    used.tls.reset();
  else if (!used.tls)
    return fail(errc::invalid_argument, fmt::format("{}: TLS needs a certificate and its key", to_string(where)));
  auto service = std::make_shared<http_service>(engine->io, used, std::move(handler));
  std::unique_ptr<http_server> made{new http_server{engine, service}};
  auto acceptor = tcp_acceptor::open(engine, where, options.takes_over,
    [service](boost::asio::ip::tcp::socket socket, const endpoint& peer) { service->admit(std::move(socket), peer); });
  if (!acceptor)
    return fail(acceptor.error());
  made->acceptor_ = std::move(*acceptor);
  made->local_ = made->acceptor_->local();
  return made;
}

void http_server::answer(request_id id, http_answer answer) {
  service_->answer(id, std::move(answer));
}

void http_server::finish() {
  acceptor_.reset();
  service_->finish();
}

} // namespace sluice

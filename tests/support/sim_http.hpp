#pragma once

#include <map>
#include <memory>
#include <optional>

#include "transport/http.hpp"

namespace sluice::test {

class sim_network;

/// What has become of a request (`sim_network::request`).
class sim_request {
public:
  /// Once it has come back to the client.
  const std::optional<http_answer>& answer() const noexcept { return answer_; }

private:
  friend class sim_http;

  std::optional<http_answer> answer_;
};

/// What takes requests at an endpoint.
class sim_http : public std::enable_shared_from_this<sim_http> {
public:
  sim_http(sim_network& net, std::shared_ptr<http_handler> handler) : net_(net), handler_(std::move(handler)) {}

  void take(const std::shared_ptr<sim_request>& from, http_request what);
  void answer(request_id id, http_answer answer);
  void finish();
  void close() { handler_.reset(); }

private:
  void send_back(const std::shared_ptr<sim_request>& to, http_answer answer);
  void end_if_finished();

  sim_network& net_;
  std::shared_ptr<http_handler> handler_;
  std::map<request_id, std::shared_ptr<sim_request>> waiting_;
  request_id last_ = 0;
  bool is_finishing_ = false;
};

} // namespace sluice::test

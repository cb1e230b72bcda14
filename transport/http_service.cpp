#include "transport/http_service.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "transport/http_connection.hpp"

namespace sluice {

namespace asio = boost::asio;

http_service::http_service(asio::io_context& io, const http_options& options, std::shared_ptr<http_handler> handler)
  : io_{io}, options_{options} {
  handler_.open(std::move(handler));
}

void http_service::admit(asio::ip::tcp::socket socket, const endpoint& from) {
  if (is_finishing_)
    return;
  auto name = fmt::format("{}:{}", from.host, from.port);
  if (connections_.size() >= options_.max_connections) {
    if (!std::exchange(is_full_, true))
      spdlog::warn("{}: refused: there are {} connections already", name, connections_.size());
    return refused(503);
  }
  is_full_ = false;
  auto id = ++last_connection_;
  auto made = std::make_shared<http_connection>(shared_from_this(), id, std::move(name), std::move(socket));
  connections_.emplace(id, made);
  made->start();
}

void http_service::answer(request_id id, http_answer answer) {
  asio::post(io_,
    [self = shared_from_this(), id, answer = std::move(answer)]() mutable { self->deliver(id, std::move(answer)); });
}

void http_service::deliver(request_id id, http_answer answer) {
  auto found = waiting_.find(id);
  if (found == waiting_.end())
    return;
  auto [connection, held] = std::move(found->second);
  waiting_.erase(found);
  release(held);
  if (auto alive = connection.lock())
    alive->deliver(id, std::move(answer));
}

void http_service::finish() {
  asio::post(io_, [self = shared_from_this()] {
    self->is_finishing_ = true;
    for (auto& [id, connection] : self->connections_)
      if (auto alive = connection.lock())
        alive->finish();
    self->end_if_finished();
  });
}

void http_service::close() {
  handler_.shut();
  asio::post(io_, [self = shared_from_this()] {
    self->is_finishing_ = true;
    for (auto& [id, connection] : self->connections_)
      if (auto alive = connection.lock())
        alive->close();
  });
}

std::optional<http_answer> http_service::judge(const http_head& head) {
  std::optional<http_answer> answer = http_overloaded("the server is about to end");
  handler_.pass([&](http_handler& to) { answer = to.on_head(head); });
  return answer;
}

bool http_service::hold(std::size_t bytes) {
  if (held_bytes_ + bytes > options_.max_held_bytes)
    return false;
  held_bytes_ += bytes;
  return true;
}

request_id http_service::begin(
  const std::shared_ptr<http_connection>& by, http_request request, std::size_t held_bytes) {
  auto id = ++last_request_;
  waiting_.emplace(id, waiting{by, held_bytes});
  handler_.pass([&](http_handler& to) { to.on_request(id, std::move(request)); });
  return id;
}

void http_service::refused(unsigned status) {
  handler_.pass([status](http_handler& to) { to.on_refused(status); });
}

void http_service::leave(std::uint64_t connection) {
  connections_.erase(connection);
  end_if_finished();
}

void http_service::end_if_finished() {
  if (is_finishing_ && connections_.empty())
    handler_.pass_last([](http_handler& to) { to.on_finished(); });
}

} // namespace sluice

#include "transport/http_connection.hpp"

#include <algorithm>
#include <array>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "transport/http_service.hpp"
#include "transport/tcp_options.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t read_bytes = 16 * 1024;

std::string text_of(beast::string_view text) {
  return {text.data(), text.size()};
}

/// Path and query of a target that may have scheme and authority before them, as for a proxy (RFC 9112, section 3.2.2).
std::string origin_form(std::string target) {
  auto scheme = target.find("://");
  if (scheme == target.npos || target.find_first_of("/?") < scheme)
    return target;
  auto path = target.substr(std::min(target.find_first_of("/?", scheme + 3), target.size()));
  return path.starts_with('/') ? path : '/' + path;
}

template <class Fields>
http_head head_of(const Fields& from) {
  auto target = origin_form(text_of(from.target()));
  auto mark = target.find('?');
  return {
    .method = text_of(from.method_string()),
    .path = target.substr(0, mark),
    .query = mark == target.npos ? std::string{} : target.substr(mark + 1),
    .content_type = text_of(from[http::field::content_type]),
    .content_encoding = text_of(from[http::field::content_encoding]),
    .authorization = text_of(from[http::field::authorization]),
  };
}

std::string to_text(const http_answer& answer, bool keeps, bool is_head) {
  auto reason = http::obsolete_reason(http::int_to_status(answer.status));
  auto text = fmt::format("HTTP/1.1 {} {}\r\nServer: sluice\r\nConnection: {}\r\n", answer.status,
    std::string_view{reason.data(), reason.size()}, keeps ? "keep-alive" : "close");
  if (answer.status != 204)
    text += fmt::format("Content-Length: {}\r\n", answer.body.size());
  if (!answer.content_type.empty())
    text += fmt::format("Content-Type: {}\r\n", answer.content_type);
  for (auto& [name, value] : answer.fields)
    text += fmt::format("{}: {}\r\n", name, value);
  text += "\r\n";
  if (!is_head)
    text += answer.body;
  return text;
}

/// What is answered to a request that could not be read; nothing if there was none, or nobody to hear it.
std::optional<http_answer> answer_to(const error_code& failure, bool is_late, const http_options& options) {
  if (is_late)
    return http_text(408, "the request did not come in time");
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
    return http_text(431, fmt::format("the header has more than {} bytes", options.max_header_bytes));
  if (failure == http::error::body_limit)
    return http_text(413, fmt::format("the body has more than {} bytes", options.max_body_bytes));
  if (failure == http::error::end_of_stream || failure == http::error::partial_message ||
      failure.category() != make_error_code(http::error::bad_method).category())
    return std::nullopt;
  return http_text(400, "no HTTP request: " + failure.message());
}

} // namespace

/// One request and its answer.
class http_connection::exchange {
public:
  explicit exchange(http_connection& on) : on_{on}, service_{*on.service_}, options_{service_.options()} {
    parser_.header_limit(static_cast<std::uint32_t>(options_.max_header_bytes));
    parser_.body_limit(options_.max_body_bytes);
  }

  ~exchange() { service_.release(held_bytes_); }

  /// Returns whether the connection goes on.
  awaitable<bool> run() {
    error_code failure;
    on_.watch(options_.header_timeout, late::stop_reading);
    co_await http::async_read_header(on_.socket_, on_.input_, parser_, redirect_error(use_awaitable, failure));
    on_.unwatch();
    if (failure)
      co_return co_await give_up(failure);
    if (!has_known_length())
      co_return co_await refuse(http_text(400, "the only transfer coding is `chunked`"));
    auto head = head_of(parser_.get());
    if (auto answer = service_.judge(head))
      co_return co_await reply(*answer, parser_.is_done());
    if (!co_await read_body())
      co_return false;
    on_.is_answering_ = true;
    auto held = std::exchange(held_bytes_, 0);
    on_.waits_for_ = service_.begin(on_.shared_from_this(), {std::move(head), std::move(body_)}, held);
    if (auto answer = co_await on_.await_answer())
      co_return co_await reply(std::move(*answer), true);
    co_return co_await refuse(http_overloaded("the records were not durable in time; they may be all the same"));
  }

private:
  /// Any other coding would have the parser look for the next request within this one (RFC 9112, section 6.3).
  bool has_known_length() const {
    auto& fields = parser_.get();
    auto codings = fields.count(http::field::transfer_encoding);
    return codings == 0 || (codings == 1 && beast::iequals(fields[http::field::transfer_encoding], "chunked"));
  }

  awaitable<bool> read_body() {
    auto expectation = parser_.get()[http::field::expect];
    if (!expectation.empty() && !beast::iequals(expectation, "100-continue"))
      co_return co_await refuse(http_text(417, "only 100-continue may be expected"));
    if (!expectation.empty() && !parser_.is_done() && !co_await on_.write("HTTP/1.1 100 Continue\r\n\r\n"))
      co_return false;
    parser_.eager(true);
    on_.watch(options_.body_timeout, late::stop_reading);
    error_code failure;
    while (!parser_.is_done() && !failure) {
      auto bytes = next_read();
      if (!make_room(bytes)) {
        on_.unwatch();
        co_return co_await refuse(http_overloaded("too much is held of requests that are not answered"));
      }
      auto used = body_.size();
      body_.resize(used + bytes);
      parser_.get().body() = {body_.data() + used, bytes, true};
      co_await http::async_read_some(on_.socket_, on_.input_, parser_, redirect_error(use_awaitable, failure));
      body_.resize(body_.size() - parser_.get().body().size);
      if (failure == http::error::need_buffer)
        failure = {};
    }
    on_.unwatch();
    if (failure)
      co_return co_await give_up(failure);
    co_return true;
  }

  /// No more than is said to come, so that thousands of small bodies hold little.
  std::size_t next_read() {
    auto left = parser_.content_length_remaining();
    return left ? static_cast<std::size_t>(std::clamp<std::uint64_t>(*left, 1, read_bytes)) : read_bytes;
  }

  /// For another read; doubled each time, so that a body is not copied often.
  bool make_room(std::size_t bytes) {
    if (body_.size() + bytes <= body_.capacity())
      return true;
    auto capacity = std::max(2 * body_.capacity(), bytes);
    if (!service_.hold(capacity - held_bytes_))
      return false;
    held_bytes_ = capacity;
    body_.reserve(capacity);
    return true;
  }

  awaitable<bool> give_up(const error_code& failure) {
    if (auto answer = answer_to(failure, on_.is_late_, options_))
      co_return co_await refuse(std::move(*answer));
    co_return false;
  }

  awaitable<bool> refuse(http_answer answer) {
    service_.refused(answer.status);
    return reply(std::move(answer), false);
  }

  awaitable<bool> reply(http_answer answer, bool keeps) {
    keeps = keeps && parser_.keep_alive() && !service_.is_finishing();
    auto is_head = parser_.is_header_done() && parser_.get().method() == http::verb::head;
    on_.is_answering_ = true;
    auto text = to_text(std::exchange(answer, {}), keeps, is_head);
    service_.hold_answer(text.size());
    held_bytes_ += text.size();
    auto is_sent = co_await on_.write(std::move(text));
    on_.is_answering_ = false;
    co_return is_sent&& keeps;
  }

  http_connection& on_;
  http_service& service_;
  const http_options& options_;
  http::request_parser<http::buffer_body> parser_;
  buffer body_;
  std::size_t held_bytes_ = 0;
};

http_connection::http_connection(
  std::shared_ptr<http_service> service, std::uint64_t id, std::string name, tcp::socket socket)
  : service_{std::move(service)}, id_{id}, name_{std::move(name)}, socket_{std::move(socket)},
    timer_{socket_.get_executor()}, input_{std::max(read_bytes, service_->options().max_header_bytes)} {}

void http_connection::start() {
  error_code ignored;
  socket_.begin();
  socket_.lowest_layer().set_option(tcp::no_delay{true}, ignored);
  set_keep_alive(socket_.lowest_layer());
  asio::co_spawn(
    socket_.get_executor(), [self = shared_from_this()] { return self->run(); },
    [self = shared_from_this()](std::exception_ptr failure) { self->end(failure); });
}

auto http_connection::run() -> awaitable<void> {
  auto self = shared_from_this();
  for (auto goes_on = co_await agree_on_tls(); goes_on && co_await await_request();) {
    auto next = std::make_unique<exchange>(*this);
    goes_on = co_await next->run();
  }
  co_await linger();
}

void http_connection::end(const std::exception_ptr& failure) {
  try {
    if (failure)
      std::rethrow_exception(failure);
  } catch (const std::exception& what) {
    spdlog::error("{}: closed: {}", name_, what.what());
  }
  close();
  service_->leave(id_);
}

/// Returns whether requests may come.
auto http_connection::agree_on_tls() -> awaitable<bool> {
  auto& options = service_->options();
  if (!options.tls)
    co_return true;
  error_code failure;
  auto begun = socket_.secure(*options.tls);
  if (begun) {
    watch(options.handshake_timeout, late::stop_reading);
    co_await socket_.async_handshake(redirect_error(use_awaitable, failure));
    unwatch();
    if (!failure)
      co_return true;
  }
  spdlog::warn("{}: refused: {}", name_,
    !begun     ? begun.error().message
    : is_late_ ? fmt::format("did not agree on TLS within {} ms", options.handshake_timeout.count())
               : socket_.explain(failure).message);
  co_return false;
}

/// Waits for the first byte of the next request, without a buffer to read it into.
auto http_connection::await_request() -> awaitable<bool> {
  if (service_->is_finishing())
    co_return false;
  if (input_.size() > 0 || socket_.has_taken_input())
    co_return true;
  input_.shrink_to_fit();
  error_code failure;
  watch(service_->options().idle_timeout, late::stop_reading);
  co_await socket_.lowest_layer().async_wait(tcp::socket::wait_read, redirect_error(use_awaitable, failure));
  unwatch();
  co_return !failure && !is_late_;
}

auto http_connection::await_answer() -> awaitable<std::optional<http_answer>> {
  error_code ignored;
  timer_.expires_after(service_->options().answer_timeout);
  co_await timer_.async_wait(redirect_error(use_awaitable, ignored));
  waits_for_ = 0;
  co_return std::exchange(answer_, std::nullopt);
}

void http_connection::deliver(request_id id, http_answer answer) {
  if (id != waits_for_)
    return;
  answer_ = std::move(answer);
  timer_.cancel();
}

auto http_connection::write(std::string text) -> awaitable<bool> {
  error_code failure;
  watch(service_->options().write_timeout, late::close);
  co_await asio::async_write(socket_, asio::buffer(text), redirect_error(use_awaitable, failure));
  unwatch();
  if (failure)
    close();
  co_return !failure;
}

/// To close while the peer still sends would take the last answer away from it.
auto http_connection::linger() -> awaitable<void> {
  error_code failure;
  socket_.shutdown_send();
  watch(service_->options().linger_timeout, late::close);
  std::array<char, 4096> dropped;
  while (!failure)
    co_await socket_.async_read_some(asio::buffer(dropped), redirect_error(use_awaitable, failure));
  unwatch();
}

void http_connection::finish() {
  if (!is_answering_)
    close();
}

void http_connection::close() {
  socket_.close();
  timer_.cancel();
}

void http_connection::watch(std::chrono::milliseconds limit, late then) {
  is_late_ = false;
  timer_.expires_after(limit);
  timer_.async_wait([weak = weak_from_this(), then, number = ++watches_](const error_code& failure) {
    auto self = weak.lock();
    if (failure || !self || number != self->watches_)
      return;
    self->is_late_ = true;
    error_code ignored;
    if (then == late::close)
      self->socket_.close();
    else
      self->socket_.lowest_layer().shutdown(tcp::socket::shutdown_receive, ignored);
  });
}

void http_connection::unwatch() {
  ++watches_;
  timer_.cancel();
}

} // namespace sluice

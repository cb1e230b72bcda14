#include "transport/lane_socket.hpp"

#include <cctype>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

socket_step as_step(std::size_t bytes, const error_code& failure, tcp::socket::wait_type wait) {
  if (failure == asio::error::would_block)
    return {0, {}, wait};
  return {bytes, failure, std::nullopt};
}

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

} // namespace

asio::awaitable<error_code> lane_socket::connect(tcp::resolver::results_type targets) {
  error_code failure = asio::error::host_not_found;
  if (is_tcp()) {
    std::tie(failure, std::ignore) = co_await asio::async_connect(tcp_, targets, as_result);
    co_return failure;
  }
  for (auto target = targets.begin(); failure && target != targets.end(); ++target) {
    udp_stream::udp::endpoint to{target->endpoint().address(), target->endpoint().port()};
    auto step = [this, to] { return datagrams_->connect_now(to); };
    std::tie(failure, std::ignore) = co_await repeat(std::move(step), as_result);
  }
  co_return failure;
}

void lane_socket::begin() {
  if (!is_tcp())
    return;
  error_code ignored;
  tcp_.non_blocking(true, ignored);
}

expected<void> lane_socket::secure(const tls_context& context, const std::string& host) {
  return tls_session::open(context, tcp_.native_handle(), host).map([this](tls_session made) {
    tls_ = std::move(made);
  });
}

socket_step lane_socket::handshake_now() {
  return tls_ ? tls_->handshake() : socket_step{0, asio::error::operation_aborted, std::nullopt};
}

socket_step lane_socket::read_now(std::span<std::byte> into) {
  if (tls_)
    return tls_->read(into);
  if (datagrams_)
    return datagrams_->read_now(into);
  error_code failure;
  auto bytes = tcp_.read_some(asio::buffer(into.data(), into.size()), failure);
  return as_step(bytes, failure, tcp::socket::wait_read);
}

socket_step lane_socket::write_now(std::span<const asio::const_buffer> from) {
  if (tls_)
    return tls_->write(from);
  if (datagrams_)
    return datagrams_->write_now(from);
  error_code failure;
  auto bytes = tcp_.write_some(from, failure);
  return as_step(bytes, failure, tcp::socket::wait_write);
}

std::size_t lane_socket::available() const {
  if (datagrams_)
    return datagrams_->available();
  error_code ignored;
  return tcp_.available(ignored) + (has_taken_input() ? tls_session::record_bytes : 0);
}

void lane_socket::shutdown_send() {
  if (datagrams_)
    return datagrams_->shutdown_send();
  if (tls_)
    tls_->end();
  error_code ignored;
  tcp_.shutdown(tcp::socket::shutdown_send, ignored);
}

void lane_socket::close() {
  if (datagrams_)
    return datagrams_->close();
  tls_.reset(); // it knows the number of the socket, which may soon be somebody else's
  error_code ignored;
  tcp_.close(ignored);
}

error lane_socket::explain(const error_code& why) const {
  if (tls_ && why == tls_session::protocol_failure())
    return tls_->reason();
  auto text = why.message();
  if (!text.empty())
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return {errc::connection_lost, std::move(text)};
}

} // namespace sluice

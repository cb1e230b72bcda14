#include "transport/tls_session.hpp"

#include <cerrno>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include "transport/tls_context.hpp"

namespace sluice {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// As the library's own way to send, but a peer that has gone raises no signal.
int send_quietly(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  auto sent = static_cast<int>(::send(BIO_get_fd(bio, nullptr), data, static_cast<std::size_t>(size), MSG_NOSIGNAL));
  if (sent < 0 && BIO_sock_should_retry(sent))
    BIO_set_retry_write(bio);
  return sent;
}

const BIO_METHOD* socket_method() {
  static BIO_METHOD* const made = [] {
    auto* model = BIO_s_socket();
    auto* method = BIO_meth_new(BIO_TYPE_SOCKET, "socket without signals");
    BIO_meth_set_write(method, send_quietly);
    BIO_meth_set_read(method, BIO_meth_get_read(model));
    BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(model));
    BIO_meth_set_create(method, BIO_meth_get_create(model));
    BIO_meth_set_destroy(method, BIO_meth_get_destroy(model));
    return method;
  }();
  return made;
}

bool is_address(const std::string& host) {
  error_code not_numeric;
  asio::ip::make_address(host, not_numeric);
  return !not_numeric;
}

/// `tlsv13 alert certificate required` without what says where that number comes from.
std::string_view alert_name(std::string_view reason) {
  constexpr std::string_view mark = "alert ";
  auto at = reason.find(mark);
  return at == reason.npos ? reason : reason.substr(at + mark.size());
}

} // namespace

void tls_session::free_session::operator()(ssl_st* session) const noexcept {
  SSL_free(session);
}

error_code tls_session::protocol_failure() {
  return boost::system::errc::make_error_code(boost::system::errc::protocol_error);
}

expected<tls_session> tls_session::open(const tls_context& context, int socket, const std::string& host) {
  ERR_clear_error();
  tls_session made{SSL_new(context.current())};
  auto* session = made.session_.get();
  auto* bio = session ? BIO_new(socket_method()) : nullptr;
  if (!bio)
    return fail(errc::io_error, "no memory for a TLS session");
  BIO_set_fd(bio, socket, BIO_NOCLOSE);
  SSL_set_bio(session, bio, bio);
  if (context.side() == tls_side::server) {
    SSL_set_accept_state(session);
    return made;
  }
  SSL_set_connect_state(session);
  if (auto set = made.expect_server(context, host); !set)
    return fail(set.error());
  return made;
}

expected<void> tls_session::expect_server(const tls_context& context, const std::string& host) {
  auto* session = session_.get();
  auto* expected_of_peer = SSL_get0_param(session);
  auto is_numeric = is_address(host);
  auto is_set = is_numeric || SSL_set_tlsext_host_name(session, host.c_str()) == 1;
  if (is_set && context.files().verify_hostname && !context.files().insecure) {
    X509_VERIFY_PARAM_set_hostflags(expected_of_peer, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    is_set = is_numeric ? X509_VERIFY_PARAM_set1_ip_asc(expected_of_peer, host.c_str()) == 1
                        : X509_VERIFY_PARAM_set1_host(expected_of_peer, host.data(), host.size()) == 1;
  }
  if (!is_set)
    return fail(errc::invalid_argument, fmt::format("no certificate can be for a host called {}", host));
  return {};
}

socket_step tls_session::handshake() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(session_.get()));
}

socket_step tls_session::read(std::span<std::byte> into) {
  if (end_)
    return *end_;
  socket_step result;
  while (result.bytes < into.size()) {
    auto rest = into.subspan(result.bytes);
    std::size_t count = 0;
    ERR_clear_error();
    if (auto got = SSL_read_ex(session_.get(), rest.data(), rest.size(), &count); got != 1) {
      auto step = outcome(got);
      if (!step.wait)
        end_ = step;
      return result.bytes > 0 ? result : step;
    }
    result.bytes += count;
  }
  return result;
}

socket_step tls_session::write(std::span<const asio::const_buffer> from) {
  std::array<std::byte, record_bytes> joined; // one record for a message's head and what follows it
  auto part = from.front();
  if (part.size() < joined.size() && from.size() > 1)
    part = asio::buffer(joined.data(), asio::buffer_copy(asio::buffer(joined), from));
  std::size_t count = 0;
  ERR_clear_error();
  if (auto put = SSL_write_ex(session_.get(), part.data(), part.size(), &count); put != 1) {
    auto step = outcome(put);
    // A peer that refuses us says why and closes. The closing may be seen first.
    if (std::byte none; step.failure && step.failure != protocol_failure() && !end_)
      if (auto said = outcome(SSL_peek_ex(session_.get(), &none, 1, &count)); said.failure == protocol_failure())
        return said;
    return step;
  }
  return {count, {}, std::nullopt};
}

void tls_session::end() {
  ERR_clear_error();
  SSL_shutdown(session_.get());
}

bool tls_session::has_input() const {
  return end_ || SSL_has_pending(session_.get()) == 1;
}

socket_step tls_session::outcome(int result) {
  auto number = errno;
  switch (SSL_get_error(session_.get(), result)) {
  case SSL_ERROR_NONE:
    return {};
  case SSL_ERROR_WANT_READ:
    return {0, {}, tcp::socket::wait_read};
  case SSL_ERROR_WANT_WRITE:
    return {0, {}, tcp::socket::wait_write};
  case SSL_ERROR_ZERO_RETURN:
    return {0, asio::error::eof, std::nullopt};
  case SSL_ERROR_SYSCALL:
    return {0, number == 0 ? error_code{asio::error::eof} : error_code{number, boost::system::system_category()},
      std::nullopt};
  default:
    reason_ = explain();
    return {0, protocol_failure(), std::nullopt};
  }
}

error tls_session::explain() const {
  auto code = ERR_peek_error();
  auto number = ERR_GET_REASON(code);
  auto* known = ERR_reason_error_string(code);
  std::string_view text = known ? known : "unknown reason";
  switch (number) {
  case SSL_R_CERTIFICATE_VERIFY_FAILED: {
    auto result = SSL_get_verify_result(session_.get());
    auto* host = X509_VERIFY_PARAM_get0_host(SSL_get0_param(session_.get()), 0);
    return {errc::untrusted,
      fmt::format("the peer's certificate is refused: {}{}", X509_verify_cert_error_string(result),
        result == X509_V_ERR_HOSTNAME_MISMATCH && host ? fmt::format("; it is not for {}", host) : "")};
  }
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    return {errc::untrusted, "the peer shows no certificate, which it must here"};
  case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    return {errc::untrusted, "the peer demands a certificate of us"};
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_VERSION_TOO_LOW:
  case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    return {errc::unsupported_version, "we and the peer accept no version of TLS in common"};
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_HTTP_REQUEST:
  case SSL_R_PACKET_LENGTH_TOO_LONG:
  case SSL_R_UNEXPECTED_MESSAGE:
    return {errc::foreign_protocol, "the peer does not speak TLS"};
  default:
    if (number > SSL_AD_REASON_OFFSET)
      return {errc::untrusted, fmt::format("the peer has refused us: {}", alert_name(text))};
    return {errc::untrusted, fmt::format("TLS has failed: {}", text)};
  }
}

} // namespace sluice

/// Sends numbered RFC 5424 messages at a given rate, whatever becomes of them: datagrams, many with one system call, or
/// one connection with newline framing, over TLS if wanted (with anybody). Prints as JSON how many it has sent and what
/// that took.
///
///     syslog_load udp|tcp|tls PORT BYTES RATE|max SECONDS

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr std::size_t per_call = 64;
constexpr std::string_view header =
  "<134>1 2026-11-24T11:12:13.123456Z web-1 shop 4711 ID47 [meta@32473 user=\"anna\"] ";
constexpr std::size_t digits = 12;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// Messages back to back, each with its number at the beginning of its body. So many that a compressor does not meet
/// the same one twice in a batch.
class messages {
public:
  static constexpr std::size_t count = 512 * per_call;

  messages(std::size_t bytes, bool ends_lines) : stride_(std::max(bytes, header.size() + digits + 2)) {
    constexpr std::array<std::string_view, 8> words{" GET /cart/items?session=", " status=200 took=", "ms bytes=",
      " user=", " connection closed by ", " retry in ", " id=", " POST /api/v1/order/"};
    std::mt19937_64 random{1};
    for (std::size_t i = 0; i < count; ++i) {
      std::string one{header};
      one.append(digits, '0');
      while (one.size() < stride_)
        one.append(words[random() % words.size()]).append(std::to_string(random() % 100'000));
      one.resize(stride_);
      if (ends_lines)
        one.back() = '\n';
      text_ += one;
    }
  }

  void number(std::size_t index, std::uint64_t value) {
    auto* end = text_.data() + index * stride_ + header.size() + digits;
    for (std::size_t i = 0; i < digits; ++i, value /= 10)
      *--end = static_cast<char>('0' + value % 10);
  }

  char* at(std::size_t index) { return text_.data() + index * stride_; }
  std::size_t stride() const { return stride_; }

private:
  std::size_t stride_;
  std::string text_;
};

void send_datagrams(int socket, messages& what, std::size_t first, std::size_t count) {
  std::array<iovec, per_call> parts{};
  std::array<mmsghdr, per_call> headers{};
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {what.at(first + i), what.stride()};
    headers[i].msg_hdr.msg_iov = &parts[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  for (std::size_t done = 0; done < count;) {
    auto sent = ::sendmmsg(socket, headers.data() + done, static_cast<unsigned>(count - done), 0);
    if (sent < 0)
      fail("sendmmsg");
    done += static_cast<std::size_t>(sent);
  }
}

SSL* begin_tls(int socket) {
  auto* tls = ::SSL_new(::SSL_CTX_new(::TLS_client_method()));
  if (!tls || ::SSL_set_fd(tls, socket) != 1 || ::SSL_connect(tls) != 1)
    fail("agreeing on TLS");
  return tls;
}

void send_bytes(int socket, SSL* tls, const char* from, std::size_t bytes) {
  while (bytes > 0) {
    auto sent = tls ? ::SSL_write(tls, from, static_cast<int>(bytes)) : ::send(socket, from, bytes, 0);
    if (sent <= 0)
      fail("send");
    from += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: syslog_load udp|tcp|tls PORT BYTES RATE|max SECONDS\n", stderr);
    return 64;
  }
  auto is_udp = std::string_view{argv[1]} == "udp";
  auto rate = std::string_view{argv[4]} == "max" ? 0.0 : std::atof(argv[4]);
  auto duration = std::chrono::duration<double>{std::atof(argv[5])};
  messages what{static_cast<std::size_t>(std::atol(argv[3])), !is_udp};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto socket = ::socket(AF_INET, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0);
  if (socket < 0 || ::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    fail("connect");
  auto* tls = std::string_view{argv[1]} == "tls" ? begin_tls(socket) : nullptr;
  auto begin = steady::now();
  std::uint64_t sent = 0;
  for (;;) {
    auto passed = std::chrono::duration<double>{steady::now() - begin};
    if (passed >= duration)
      break;
    auto due = rate > 0 ? static_cast<std::uint64_t>(rate * passed.count()) : sent + per_call;
    auto count = std::min<std::uint64_t>(per_call, due - std::min(due, sent));
    if (count < per_call / 2) {
      std::this_thread::sleep_for(200us);
      continue;
    }
    auto first = sent % messages::count;
    count = std::min(count, messages::count - first);
    for (std::size_t i = 0; i < count; ++i)
      what.number(first + i, sent + i);
    if (is_udp)
      send_datagrams(socket, what, first, count);
    else
      send_bytes(socket, tls, what.at(first), count * what.stride());
    sent += count;
  }
  if (tls)
    ::SSL_shutdown(tls);
  ::shutdown(socket, SHUT_WR);
  for (char end = 0; !is_udp;) // closed by the receiver once it is all read
    if (auto got = ::recv(socket, &end, 1, 0); got < 0)
      fail("recv");
    else if (got == 0)
      break;
  auto seconds = std::chrono::duration<double>{steady::now() - begin}.count();
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto in_seconds = [](const timeval& x) {
    return static_cast<double>(x.tv_sec) + static_cast<double>(x.tv_usec) / 1e6;
  };
  std::printf("{\"sent\": %llu, \"seconds\": %.3f, \"cpu\": %.3f}\n", static_cast<unsigned long long>(sent), seconds,
    in_seconds(used.ru_utime) + in_seconds(used.ru_stime));
}

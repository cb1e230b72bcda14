/// The pipeline's work without the pipeline, as a yardstick: splits a file into lines, encodes each with a varint
/// length, compresses 1 MiB blocks with zstd -1, hashes, sends them over loopback TCP; the other end checks the hash,
/// writes, and syncs after every MiB. No actors, no acknowledgements, no resumption. Prints nothing; whoever
/// starts it reads its resource usage (tests/bench/spine.py).
///
///   bare_loop FILE OUTPUT

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

namespace {

constexpr std::size_t block_bytes = 1024 * 1024;

struct block_header {
  std::uint64_t bytes;
  std::uint64_t hash;
};

template <class T>
T check(T result, const char* what) {
  if (result < 0) {
    std::perror(what);
    std::exit(1);
  }
  return result;
}

void write_all(int to, const void* data, std::size_t bytes) {
  for (auto* at = static_cast<const char*>(data); bytes > 0;) {
    auto written = static_cast<std::size_t>(check(::write(to, at, bytes), "write"));
    at += written;
    bytes -= written;
  }
}

bool read_all(int from, void* data, std::size_t bytes) {
  for (auto* at = static_cast<char*>(data); bytes > 0;) {
    auto got = static_cast<std::size_t>(check(::read(from, at, bytes), "read"));
    if (got == 0)
      return false;
    at += got;
    bytes -= got;
  }
  return true;
}

void receive(int from, int output) {
  std::vector<char> block(ZSTD_compressBound(2 * block_bytes));
  std::size_t unsynced = 0;
  for (block_header header; read_all(from, &header, sizeof header);) {
    if (header.bytes > block.size() || !read_all(from, block.data(), header.bytes) ||
        XXH3_64bits(block.data(), header.bytes) != header.hash)
      std::exit(1);
    write_all(output, &header, sizeof header);
    write_all(output, block.data(), header.bytes);
    unsynced += header.bytes;
    if (unsynced >= block_bytes) {
      check(::fdatasync(output), "fdatasync");
      unsynced = 0;
    }
  }
  check(::fdatasync(output), "fdatasync");
}

class sender {
public:
  explicit sender(int to) : to_(to), packed_(ZSTD_compressBound(2 * block_bytes)) {
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, 1);
  }
  ~sender() {
    flush();
    ZSTD_freeCCtx(context_);
  }

  void line(std::string_view text) {
    for (auto length = text.size();; length >>= 7) {
      block_.push_back(static_cast<char>(length < 128 ? length : (length & 127) | 128));
      if (length < 128)
        break;
    }
    block_.append(text);
    if (block_.size() >= block_bytes)
      flush();
  }

private:
  void flush() {
    if (block_.empty())
      return;
    packed_.resize(ZSTD_compressBound(block_.size()));
    auto bytes = ZSTD_compress2(context_, packed_.data(), packed_.size(), block_.data(), block_.size());
    block_header header{bytes, XXH3_64bits(packed_.data(), bytes)};
    write_all(to_, &header, sizeof header);
    write_all(to_, packed_.data(), bytes);
    block_.clear();
  }

  int to_;
  ZSTD_CCtx* context_ = ZSTD_createCCtx();
  std::string block_;
  std::vector<char> packed_;
};

void send(int input, int to) {
  sender out{to};
  std::string text;
  std::vector<char> chunk(256 * 1024);
  while (auto got = check(::read(input, chunk.data(), chunk.size()), "read")) {
    text.append(chunk.data(), static_cast<std::size_t>(got));
    std::size_t at = 0;
    for (std::size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
      out.line(std::string_view{text}.substr(at, end - at));
    text.erase(0, at);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3)
    return 64;
  auto input = check(::open(argv[1], O_RDONLY), argv[1]);
  auto output = check(::open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644), argv[2]);
  auto listener = check(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  check(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), "bind");
  check(::listen(listener, 1), "listen");
  check(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  auto out = check(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  check(::connect(out, reinterpret_cast<sockaddr*>(&address), size), "connect");
  auto in = check(::accept(listener, nullptr, nullptr), "accept");
  std::jthread receiver{receive, in, output};
  send(input, out);
  ::close(out);
}

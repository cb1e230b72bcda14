#pragma once

#include <memory>
#include <mutex>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include <boost/system/error_code.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace sluice {

/// A socket that another listener can have, too: what comes then waits in one queue, out of which both take.
class shared_socket {
public:
  virtual ~shared_socket() = default;

  /// A descriptor of one's own; -1 if the socket is closed. Thread-safe.
  virtual int duplicate() = 0;

protected:
  static int duplicate(int socket) { return ::fcntl(socket, F_DUPFD_CLOEXEC, 0); }
};

/// Gives up a socket of Asio's. `close` would leave it in the epoll set for as long as there is a duplicate.
template <class Socket>
void close_shared(Socket& socket) {
  boost::system::error_code failure;
  if (!socket.is_open())
    return;
  if (auto descriptor = socket.release(failure); !failure)
    ::close(descriptor);
}

/// The sockets on which a network listens, for listeners that take over from others. Thread-safe.
class listening_sockets {
public:
  void add(std::string address, std::weak_ptr<shared_socket> opened) {
    std::lock_guard guard{mutex_};
    std::erase_if(sockets_, [](auto& x) { return x.second.expired(); });
    sockets_.emplace_back(std::move(address), std::move(opened));
  }

  struct share {
    std::shared_ptr<shared_socket> with; ///< Null if nobody is there.
    int descriptor = -1;
  };

  /// A share in the newest one at `address`.
  share take_share(const std::string& address) {
    std::lock_guard guard{mutex_};
    for (auto& [where, socket] : std::views::reverse(sockets_))
      if (auto alive = where == address ? socket.lock() : nullptr)
        if (auto made = alive->duplicate(); made != -1)
          return {std::move(alive), made};
    return {};
  }

private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::weak_ptr<shared_socket>>> sockets_;
};

} // namespace sluice

#pragma once

#include <cerrno>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "messages/errc.hpp"

namespace sluice {

/// The error of a system call that has set `number`, naming the file that it was about.
tl::unexpected<error> fail_with(int number, const std::filesystem::path& where);

/// A call that a signal interrupted is made again.
template <class Call>
auto uninterrupted(Call call) {
  for (;;) {
    auto result = call();
    if (result != -1 || errno != EINTR)
      return result;
  }
}

/// Closes a file descriptor when it is destroyed.
class descriptor {
public:
  explicit descriptor(int number) noexcept : number_{number} {}
  descriptor(descriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
  descriptor& operator=(descriptor&&) = delete;
  ~descriptor() {
    if (number_ != -1)
      ::close(number_);
  }

  int get() const noexcept { return number_; }

private:
  int number_;
};

} // namespace sluice

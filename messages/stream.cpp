#include "messages/stream.hpp"

#include <fmt/format.h>

namespace sluice {

std::string to_string(const id128& id) {
  auto hex = [&id](std::size_t from, std::size_t to) {
    return fmt::format("{:02x}", fmt::join(id.begin() + from, id.begin() + to, ""));
  };
  return fmt::format("{}-{}-{}-{}-{}", hex(0, 4), hex(4, 6), hex(6, 8), hex(8, 10), hex(10, 16));
}

std::string to_string(const stream_id& id) {
  return fmt::format("{}/{}", to_string(id.producer), to_string(id.source));
}

} // namespace sluice

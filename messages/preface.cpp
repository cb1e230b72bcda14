#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "messages/detail/endian.hpp"
#include "messages/protocol.hpp"

namespace sluice {

namespace {

using namespace std::string_view_literals;

constexpr std::uint16_t version = 1;
constexpr auto preface_text = "SLUICE\x01\x00"sv;
constexpr std::size_t name_bytes = 6;

static_assert(preface_text.size() == protocol_limits::preface_bytes);

struct foreign_start {
  std::string_view bytes;
  std::string_view speaks;
};

constexpr std::array foreign_starts{
  foreign_start{"GET "sv, "HTTP"sv},
  foreign_start{"HEAD "sv, "HTTP"sv},
  foreign_start{"POST "sv, "HTTP"sv},
  foreign_start{"PUT "sv, "HTTP"sv},
  foreign_start{"PATCH "sv, "HTTP"sv},
  foreign_start{"DELETE "sv, "HTTP"sv},
  foreign_start{"OPTIONS "sv, "HTTP"sv},
  foreign_start{"TRACE "sv, "HTTP"sv},
  foreign_start{"CONNECT "sv, "HTTP"sv},
  foreign_start{"HTTP/"sv, "HTTP"sv},
  foreign_start{"PRI * "sv, "HTTP/2"sv},
  foreign_start{"\x16\x03"sv, "TLS"sv},
  foreign_start{"\x15\x03"sv, "TLS"sv},
  foreign_start{"SSH-"sv, "SSH"sv},
  foreign_start{"<"sv, "syslog"sv},
};

std::string describe(std::string_view bytes) {
  auto found = std::ranges::find_if(
    foreign_starts, [bytes](const foreign_start& start) { return bytes.starts_with(start.bytes); });
  auto speaks = found == foreign_starts.end() ? "sends unknown bytes" : fmt::format("speaks {}", found->speaks);
  return fmt::format("peer {}, not Sluice's link protocol: it begins with {:?}", speaks, bytes);
}

} // namespace

byte_view preface() {
  return as_bytes(preface_text);
}

expected<void> check_preface(byte_view bytes) {
  auto text = as_text(bytes.first(std::min(bytes.size(), protocol_limits::preface_bytes)));
  if (text.substr(0, name_bytes) != preface_text.substr(0, std::min(text.size(), name_bytes)))
    return fail(errc::foreign_protocol, describe(text));
  if (text.size() < preface_text.size())
    return fail(
      errc::truncated, fmt::format("peer has sent {} bytes of the preface's {}", text.size(), preface_text.size()));
  auto found = detail::load_le<std::uint16_t>(bytes.data() + name_bytes);
  if (found != version)
    return fail(errc::unsupported_version,
      fmt::format("peer speaks version {} of the link protocol, this build speaks {}", found, version));
  return {};
}

} // namespace sluice

#include "deploy/operations.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/stats/operations_pages.hpp"

namespace sluice {

expected<endpoint> parse_operations_address(std::string_view text) {
  constexpr std::string_view scheme = "http://";
  auto address = text.starts_with(scheme) ? text.substr(scheme.size()) : text;
  auto parsed = parse_endpoint(fmt::format("{}{}", scheme, address));
  if (!parsed)
    return fail(errc::invalid_argument, fmt::format("'{}' is no address; write for instance 127.0.0.1:9600", text));
  return parsed;
}

expected<std::unique_ptr<http_listener>> listen_for_operations(actor_process& process, const endpoint& where) {
  auto made = process.env().net.listen(where, http_options{}, std::make_shared<operations_pages>(process.system()));
  if (made)
    spdlog::info("health and metrics at {}", to_string((*made)->local()));
  return made;
}

} // namespace sluice

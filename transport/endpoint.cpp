#include "transport/endpoint.hpp"

#include <charconv>

#include <fmt/format.h>

namespace sluice {

namespace {

tl::unexpected<error> not_an_endpoint(std::string_view url, std::string_view why) {
  return fail(errc::invalid_argument,
    fmt::format("`{}`: {}; an endpoint looks like tcp://host:port or tcp://[::1]:port", url, why));
}

bool is_scheme(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == text.npos;
}

bool is_host(std::string_view text) {
  return !text.empty() && text.find_first_of(" \t\r\n/?#@[]") == text.npos;
}

} // namespace

expected<endpoint> parse_endpoint(std::string_view url) {
  auto colon = url.find("://");
  if (colon == url.npos || !is_scheme(url.substr(0, colon)))
    return not_an_endpoint(url, "no scheme");
  auto authority = url.substr(colon + 3);
  auto bracketed = authority.starts_with('[');
  auto host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && host_end == authority.npos)
    return not_an_endpoint(url, "`]` is missing");
  auto host = authority.substr(bracketed, host_end - bracketed);
  if (!is_host(host))
    return not_an_endpoint(url, "no usable host");
  auto rest = host_end == authority.npos ? std::string_view{} : authority.substr(host_end + bracketed);
  if (!rest.starts_with(':'))
    return not_an_endpoint(url, "no port");
  rest.remove_prefix(1);
  if (rest.find(':') != rest.npos)
    return not_an_endpoint(url, "an IPv6 address needs brackets");
  if (rest.find('/') != rest.npos)
    return not_an_endpoint(url, "it must end with the port, without a path");
  std::uint16_t port = 0;
  auto [end, failure] = std::from_chars(rest.begin(), rest.end(), port);
  if (failure != std::errc{} || end != rest.end())
    return not_an_endpoint(url, "the port must be a number from 0 to 65535");
  return endpoint{std::string{url.substr(0, colon)}, std::string{host}, port};
}

bool is_link_scheme(std::string_view scheme) noexcept {
  return scheme == "tcp" || scheme == "tls" || scheme == "udp";
}

std::string to_string(const endpoint& where) {
  auto brackets = where.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", where.scheme, brackets ? "[" : "", where.host, brackets ? "]" : "", where.port);
}

} // namespace sluice

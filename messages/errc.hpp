#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <sluice/error.hpp>
#include <tl/expected.hpp>

namespace sluice {

/// A value, or why there is none. Exceptions do not cross the seams.
template <class T>
using expected = tl::expected<T, error>;

inline tl::unexpected<error> fail(errc code, std::string message) {
  return tl::unexpected<error>{error{code, std::move(message)}};
}

inline tl::unexpected<error> fail(error err) {
  return tl::unexpected<error>{std::move(err)};
}

template <class Inspector>
bool inspect(Inspector& f, errc& x) {
  auto get = [&x] { return static_cast<std::uint16_t>(x); };
  auto set = [&x](std::uint16_t code) {
    x = static_cast<errc>(code);
    return true;
  };
  return f.apply(get, set);
}

template <class Inspector>
bool inspect(Inspector& f, error& x) {
  return f.object(x).fields(f.field("code", x.code), f.field("message", x.message));
}

} // namespace sluice

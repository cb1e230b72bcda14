#pragma once

#include <cstdint>
#include <string>

namespace sluice {

enum class tls_version : std::uint8_t { v1_2, v1_3 };

/// TLS of a lane, as its user gives it. Files are PEM; what is not needed stays empty.
struct tls_files {
  std::string cert{};      ///< Ours, followed by those that lead from it to one that the peer trusts.
  std::string key{};       ///< Of `cert`, without a passphrase.
  std::string ca{};        ///< Who may vouch for a server; if empty, whom the system trusts.
  std::string client_ca{}; ///< Who must vouch for every client; if empty, clients need no certificate.
  bool verify_hostname = true;
  bool insecure = false;                       ///< Takes any server for the right one.
  tls_version min_version = tls_version::v1_2; ///< The peers agree on 1.3 if both can.

  friend bool operator==(const tls_files&, const tls_files&) = default;
};

} // namespace sluice

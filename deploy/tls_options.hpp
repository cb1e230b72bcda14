#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>

#include "messages/errc.hpp"
#include "transport/endpoint.hpp"
#include "transport/tls_context.hpp"

namespace sluice {

class tls_contexts;

/// Whether a lane of this scheme speaks TLS.
bool is_tls_scheme(std::string_view scheme);

/// `--ca`, `--cert`, `--key`, `--insecure`: for who connects.
void add_client_tls_options(CLI::App& app, tls_files& files);

/// `--cert`, `--key`, `--client-ca`: for who listens.
void add_server_tls_options(CLI::App& app, tls_files& files);

/// What `lanes` need; null if none of them speaks TLS. Errors: those of `tls_context::open`, and invalid_argument if
/// there are files that no lane needs.
expected<std::shared_ptr<const tls_context>> open_tls(
  tls_contexts& contexts, const tls_files& files, tls_side side, const std::vector<endpoint>& lanes);

} // namespace sluice

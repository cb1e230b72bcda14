#include "deploy/tls_options.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "transport/tls_contexts.hpp"

namespace sluice {

namespace {

void add_file(CLI::App& app, const std::string& name, std::string& value, const std::string& help) {
  app.add_option(name, value, help)->type_name("FILE");
}

} // namespace

bool is_tls_scheme(std::string_view scheme) {
  return scheme == "tls" || scheme == "https" || scheme.ends_with("+tls");
}

void add_client_tls_options(CLI::App& app, tls_files& files) {
  add_file(
    app, "--ca", files.ca, "Certificates (PEM) that may vouch for a receiver; those of the system, if not given");
  add_file(app, "--cert", files.cert, "Our certificate (PEM), for a receiver that demands one");
  add_file(app, "--key", files.key, "Its key (PEM)");
  app.add_flag("--insecure", files.insecure, "Take any receiver for the right one, whatever its certificate");
}

void add_server_tls_options(CLI::App& app, tls_files& files) {
  add_file(app, "--cert", files.cert, "Our certificate (PEM) for lanes with TLS, followed by its intermediate ones");
  add_file(app, "--key", files.key, "Its key (PEM)");
  add_file(app, "--client-ca", files.client_ca,
    "Certificates (PEM) that must vouch for every client of lanes with TLS; if not given, clients need none");
}

expected<std::shared_ptr<const tls_context>> open_tls(
  tls_contexts& contexts, const tls_files& files, tls_side side, const std::vector<endpoint>& lanes) {
  if (std::ranges::any_of(lanes, [](auto& x) { return is_tls_scheme(x.scheme); }))
    return contexts.open(files, side);
  for (auto* file : {&files.cert, &files.key, &files.ca, &files.client_ca})
    if (!file->empty())
      return fail(errc::invalid_argument, fmt::format("{}: no lane speaks TLS, so this is not used", *file));
  return nullptr;
}

} // namespace sluice

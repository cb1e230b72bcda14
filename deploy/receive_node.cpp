#include "deploy/receive_node.hpp"

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/stats/metrics.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "deploy/http_lane.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

/// The secret of a file, without the white space around it. None, if no file is named.
expected<std::string> read_token(file_system& files, const std::string& path) {
  constexpr std::size_t max_bytes = 4096;
  if (path.empty())
    return std::string{};
  return read_file(files, path, max_bytes).and_then([&path](const std::string& text) -> expected<std::string> {
    constexpr auto space = " \t\r\n";
    auto begin = text.find_first_not_of(space);
    if (begin == text.npos)
      return fail(errc::invalid_argument, path + ": there is no token in this file");
    return text.substr(begin, text.find_last_not_of(space) + 1 - begin);
  });
}

} // namespace

endpoint local_store() {
  return {"local", "store", 1};
}

tl::expected<std::unique_ptr<receive_node>, startup_error> receive_node::open(
  actor_process& process, receive_options options) {
  auto& env = process.env();
  auto http_token = read_token(env.files, options.http_token_file);
  if (!http_token)
    return tl::unexpected{startup_error{to_exit_code(http_token.error().code), http_token.error().message}};
  auto tls = open_tls(process.tls(), options.tls, tls_side::server, options.listen);
  if (!tls)
    return tl::unexpected{startup_error{exit_code::configuration, tls.error().message}};
  options.ingest.tls = std::move(*tls);
  auto opened = store::open(env.files, options.pipeline.folder, options.pipeline.store, env.now());
  if (!opened) {
    auto is_bad_data = to_exit_code(opened.error().code) == exit_code::bad_data;
    return tl::unexpected{
      startup_error{is_bad_data ? exit_code::bad_data : exit_code::cannot_create, opened.error().message}};
  }
  std::unique_ptr<receive_node> made{new receive_node{process, std::move(options), std::move(*http_token)}};
  made->start(std::move(*opened));
  return made;
}

void receive_node::start(std::unique_ptr<store> opened) {
  options_.ingest.to = local_store();
  pipeline_ = spawn_receive_pipeline(process_.system(), process_.env(), options_.pipeline, std::move(opened));
  pipeline_->attach_functor([has_failed = has_failed_](const caf::error& reason) {
    *has_failed = static_cast<bool>(reason);
    signal_wait::wake();
  });
}

expected<endpoint> receive_node::listen(const endpoint& where) {
  auto keep = [this](ingest_lane made) { return lanes_.emplace_back(std::move(made)).local; };
  auto& env = process_.env();
  if (is_http_scheme(where.scheme))
    return open_http_lane(
      process_.system(), env, where, {.bearer_token = http_token_, .tls = options_.ingest.tls, .to = local_store()})
      .map(keep);
  if (is_ingest_scheme(where.scheme))
    return open_ingest_lane(process_.system(), env, where, options_.ingest).map(keep);
  return listen_for(pipeline_, env.net, where, link_options{.tls = options_.ingest.tls})
    .map([this](std::unique_ptr<listener> made) { return links_.emplace_back(std::move(made))->local(); });
}

expected<void> receive_node::listen_all() {
  if (auto made = listen(local_store()); !made)
    return fail(made.error());
  for (auto& where : options_.listen) {
    auto local = listen(where);
    if (!local)
      return fail(local.error());
    spdlog::info("listening on {}", to_string(*local));
  }
  return {};
}

bool receive_node::drain_lanes(signal_wait* signals, time_point deadline) {
  for (auto& x : lanes_)
    caf::anon_send(x.pipeline, stop_atom_v);
  auto is_all = true;
  for (auto& x : lanes_) {
    auto drained = ask<ship_report>(process_.system(), x.pipeline, drain_atom_v);
    is_all = wait_for(signals, drained, deadline) && drained.get() && is_all;
    caf::anon_send_exit(x.pipeline, caf::exit_reason::user_shutdown);
  }
  return is_all;
}

exit_code receive_node::drain(std::string_view verb, signal_wait* signals, time_point deadline) {
  if (has_failed())
    return exit_code::io_error;
  auto is_all_in = drain_lanes(signals, deadline);
  auto drained = ask<void>(process_.system(), pipeline_, drain_atom_v);
  if (wait_for(signals, drained, deadline) && is_all_in) {
    auto outcome = drained.get();
    return outcome ? exit_code::done
                   : static_cast<exit_code>(report(verb, exit_code::io_error, outcome.error().message));
  }
  auto metrics = take_snapshot(process_.system(), process_.env().now());
  auto held = [&metrics](std::string_view name) { return total(metrics, name, {{"component_id", "receiver"}}); };
  return static_cast<exit_code>(report(verb, exit_code::not_acknowledged,
    fmt::format("stopped: {} ({} of frames) received and not stored; their shippers keep them",
      counted(static_cast<std::uint64_t>(held("buffer_events")), "record"), format_size(held("buffer_size_bytes")))));
}

expected<endpoint> parse_listen_address(std::string_view url) {
  auto parsed = parse_endpoint(url);
  if (parsed && (is_ingest_scheme(parsed->scheme) || is_http_scheme(parsed->scheme)))
    return parsed;
  return parse_link_endpoint(url);
}

expected<std::uint64_t> parse_segment_size(std::string_view text) {
  constexpr std::uint64_t least = 64 * 1024;
  auto size = parse_size(text);
  if (size && *size < least)
    return fail(errc::invalid_argument, fmt::format("'{}' is too small for a segment; give 64KiB at least", text));
  return size;
}

expected<line_form> parse_line_form(std::string_view text) {
  if (text == "text")
    return line_form::text;
  if (text == "json")
    return line_form::json;
  return fail(errc::invalid_argument, fmt::format("'{}' is not known; give text or json", text));
}

expected<std::size_t> parse_message_size(std::string_view text) {
  constexpr std::uint64_t least = 1024, most = 8 * 1024 * 1024;
  auto size = parse_size(text);
  if (!size)
    return fail(size.error());
  if (*size < least || *size > most)
    return fail(errc::invalid_argument, fmt::format("'{}' is no size of a message; give 1KiB to 8MiB", text));
  return *size;
}

} // namespace sluice

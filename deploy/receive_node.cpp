#include "deploy/receive_node.hpp"

#include <algorithm>

#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/stats/metrics.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "deploy/configuration_reader.hpp"
#include "deploy/http_lane.hpp"
#include "deploy/ship_outcome.hpp"
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

tl::unexpected<startup_error> cannot_start(exit_code code, const error& reason) {
  return tl::unexpected{startup_error{code, reason.message}};
}

/// Reads the files that the options name. A context of the same files that is in use stays so.
std::optional<startup_error> equip(actor_process& process, receive_options& options, const receive_options* present) {
  auto token = read_token(process.env().files, options.http_token_file);
  if (!token)
    return startup_error{exit_code::configuration, "the HTTP token: " + token.error().message};
  options.ingest.http_token = std::move(*token);
  if (present && present->ingest.tls && present->tls == options.tls) {
    options.ingest.tls = present->ingest.tls;
    return std::nullopt;
  }
  auto tls = open_tls(process.tls(), options.tls, tls_side::server, options.listen);
  if (!tls)
    return startup_error{exit_code::configuration, tls.error().message};
  options.ingest.tls = std::move(*tls);
  return std::nullopt;
}

/// What a lane holds on its way to our own store: nobody else has it, but for clients that wait for an answer.
void explain_lost(std::string_view who, const ship_status& status, bool is_http) {
  report(who, exit_code::not_acknowledged,
    fmt::format("stopped: {} received and not stored; {}",
      amount(static_cast<double>(status.pending_records), static_cast<double>(status.pending_bytes)),
      is_http ? "who has sent them gets no answer" : "they are lost"));
}

} // namespace

endpoint local_store() {
  return {"local", "store", 1};
}

bool takes_frames(const endpoint& listener) {
  return !is_ingest_scheme(listener.scheme) && !is_http_scheme(listener.scheme);
}

bool have_same_address(const endpoint& a, const endpoint& b) {
  auto is_datagram = [](auto& x) { return x.scheme.ends_with("udp"); };
  return a.port != 0 && a.port == b.port && a.host == b.host && is_datagram(a) == is_datagram(b);
}

tl::expected<std::unique_ptr<receive_node>, startup_error> receive_node::open(
  actor_process& process, receive_options options) {
  auto& env = process.env();
  if (auto failure = equip(process, options, nullptr))
    return tl::unexpected{*failure};
  std::unique_ptr<receive_node> made{new receive_node{process, std::move(options)}};
  auto& config = made->options_;
  if (config.relay)
    return made;
  auto opened = store::open(env.files, config.pipeline.folder, config.pipeline.store, env.now());
  if (!opened) {
    auto is_bad_data = to_exit_code(opened.error().code) == exit_code::bad_data;
    return cannot_start(is_bad_data ? exit_code::bad_data : exit_code::cannot_create, opened.error());
  }
  made->start(std::move(*opened));
  return made;
}

void receive_node::start(std::unique_ptr<store> opened) {
  pipeline_ = spawn_receive_pipeline(process_.system(), process_.env(), options_.pipeline, std::move(opened));
  pipeline_->attach_functor([has_failed = has_failed_](const caf::error& reason) {
    *has_failed = static_cast<bool>(reason);
    signal_wait::wake();
  });
}

tl::expected<ship_pipeline_config, startup_error> receive_node::make_onward(const receive_options& options) {
  if (options.relay)
    return make_relay(process_, *options.relay);
  ship_pipeline_config made;
  made.ship.to = {local_store()};
  return made;
}

tl::expected<receive_node::lane, startup_error> receive_node::listen(
  const receive_options& options, const endpoint& wanted, const endpoint& where, bool takes_over) {
  auto& env = process_.env();
  lane made{.wanted = wanted, .number = ++last_lane_};
  if (takes_frames(where)) {
    const link_options links{.tls = options.ingest.tls, .takes_over = takes_over};
    auto listens = listen_for(pipeline_, env.net, where, links, made.number);
    if (!listens)
      return cannot_start(exit_code::cannot_create, listens.error());
    made.links = std::move(*listens);
    made.local = made.links->local();
    return made;
  }
  auto onward = make_onward(options);
  if (!onward)
    return tl::unexpected{onward.error()};
  auto* open = is_http_scheme(where.scheme) ? open_http_lane : open_ingest_lane;
  auto opened = open(process_.system(), env, where, options.ingest, takes_over, std::move(*onward));
  if (!opened)
    return cannot_start(exit_code::cannot_create, opened.error());
  made.local = opened->local;
  made.pipeline = watch(process_.system(), {to_string(made.local), opened->pipeline, nullptr});
  return made;
}

std::optional<startup_error> receive_node::listen_all() {
  auto wanted = options_.listen;
  if (!options_.relay)
    wanted.insert(wanted.begin(), local_store());
  for (auto& where : wanted) {
    auto made = listen(options_, where, where, false);
    if (!made)
      return made.error();
    if (where != local_store())
      spdlog::info("listening on {}", to_string(made->local));
    lanes_.push_back(std::move(*made));
  }
  return std::nullopt;
}

bool receive_node::has_failed() const {
  return *has_failed_ || std::ranges::any_of(lanes_, [](auto& x) { return x.pipeline && x.pipeline->is_drained(); });
}

// -- changes ------------------------------------------------------------------

std::optional<startup_error> receive_node::prepare(receive_options next, listener_changes& changes) {
  auto& [options, ended, opened] = prepared_.emplace(std::move(next), changes.removed);
  if (auto failure = equip(process_, options, &options_))
    return failure;
  if (options.ingest.http_token != options_.ingest.http_token)
    replace_http(changes);
  auto open = [&, &options = options, &opened = opened](
                const endpoint& wanted, const endpoint& where, bool takes_over) -> std::optional<startup_error> {
    auto made = listen(options, wanted, where, takes_over);
    if (!made)
      return made.error();
    opened.push_back(std::move(*made));
    return std::nullopt;
  };
  // What is most likely to fail comes first.
  for (auto& x : changes.added)
    if (auto failure = open(x, x, left_.contains({x.host, x.port})))
      return failure;
  for (auto& [old, by] : changes.replaced) {
    auto running = std::ranges::find(lanes_, old, &lane::wanted);
    if (auto failure = open(by, {by.scheme, by.host, running->local.port}, true))
      return failure;
    ended.push_back(old);
  }
  return std::nullopt;
}

/// Those that would stay as they are.
void receive_node::replace_http(listener_changes& changes) const {
  for (auto& x : lanes_) {
    auto is_replaced = std::ranges::any_of(changes.replaced, [&x](auto& y) { return y.first == x.wanted; });
    auto is_removed = std::ranges::find(changes.removed, x.wanted) != changes.removed.end();
    if (is_http_scheme(x.wanted.scheme) && !is_replaced && !is_removed)
      changes.replaced.emplace_back(x.wanted, x.wanted);
  }
}

std::vector<running_pipeline> receive_node::commit() {
  auto [options, ended, opened] = *std::exchange(prepared_, std::nullopt);
  std::vector<lane> old;
  for (auto& x : ended) {
    auto running = std::ranges::find(lanes_, x, &lane::wanted);
    auto is_there = [&running](
                      auto& y) { return y.local.host == running->local.host && y.local.port == running->local.port; };
    if (std::ranges::none_of(opened, is_there))
      spdlog::info("listening on {} no more", to_string(running->local));
    old.push_back(std::move(*running));
    lanes_.erase(running);
  }
  for (auto& x : opened) {
    spdlog::info("listening on {}", to_string(x.local));
    lanes_.push_back(std::move(x));
  }
  options_ = std::move(options);
  return close(std::move(old));
}

std::vector<running_pipeline> receive_node::undo() {
  auto dropped = std::exchange(prepared_, std::nullopt);
  return dropped ? close(std::move(dropped->opened)) : std::vector<running_pipeline>{};
}

/// Connections of frames are closed once what has come is answered.
std::vector<running_pipeline> receive_node::close(std::vector<lane> lanes) {
  std::vector<running_pipeline> left;
  for (auto& x : lanes) {
    left_.emplace(x.local.host, x.local.port);
    if (x.pipeline)
      left.push_back(std::move(*x.pipeline));
    else if (x.links) {
      x.links.reset();
      caf::anon_send(pipeline_, stop_atom_v, x.number);
    }
  }
  return left;
}

// -- the end --------------------------------------------------------------------

bool receive_node::drain_lanes(std::string_view verb, signal_wait* signals, time_point deadline) {
  for (auto& x : lanes_)
    if (x.pipeline)
      caf::anon_send(x.pipeline->actor, stop_atom_v);
  auto is_all = true;
  for (auto& x : lanes_) {
    if (!x.pipeline)
      continue;
    auto& [name, actor, abandoned, drained, ended] = *x.pipeline;
    auto is_drained = wait_for(signals, drained, deadline);
    is_all = is_all && is_drained;
    auto who = fmt::format("{}: {}", verb, name);
    if (is_drained) {
      if (auto outcome = drained.get(); !outcome) {
        is_all = false;
        report(who, exit_code::not_acknowledged, outcome.error().message);
      }
    } else if (auto status = present_status(signals, process_.system(), actor); options_.relay) {
      explain_unfinished(who, status, "stopped");
    } else {
      explain_lost(who, status, is_http_scheme(x.wanted.scheme));
    }
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  }
  return is_all;
}

exit_code receive_node::drain(std::string_view verb, signal_wait* signals, time_point deadline) {
  if (*has_failed_)
    return exit_code::io_error;
  auto is_all_in = drain_lanes(verb, signals, deadline);
  if (!pipeline_)
    return is_all_in ? exit_code::done : exit_code::not_acknowledged;
  auto drained = ask<void>(process_.system(), pipeline_, drain_atom_v);
  if (wait_for(signals, drained, deadline)) {
    if (auto outcome = drained.get(); !outcome)
      return static_cast<exit_code>(report(verb, exit_code::io_error, outcome.error().message));
    return is_all_in ? exit_code::done : exit_code::not_acknowledged;
  }
  auto metrics = take_snapshot(process_.system(), process_.env().now());
  auto held = [&metrics](std::string_view name) { return total(metrics, name, {{"component_id", "receiver"}}); };
  return static_cast<exit_code>(report(verb, exit_code::not_acknowledged,
    fmt::format("stopped: {} ({} of frames) received and not stored; their shippers keep them{}",
      counted(static_cast<std::uint64_t>(held("buffer_events")), "record"), format_size(held("buffer_size_bytes")),
      is_all_in ? "" : ", but for what is lost of listeners as said")));
}

expected<endpoint> parse_listen_address(std::string_view url) {
  static const std::vector<std::string> schemes{
    "tcp", "tls", "udp", "syslog+tcp", "syslog+tls", "syslog+udp", "lines+tcp", "http", "https"};
  auto end = url.find("://");
  auto scheme = url.substr(0, end);
  if (end == url.npos || std::ranges::find(schemes, scheme) != schemes.end())
    return parse_endpoint(url);
  auto meant = suggest(scheme, schemes);
  return fail(errc::invalid_argument,
    meant.empty() ? fmt::format("{}: unknown scheme '{}'; there are {}", url, scheme, fmt::join(schemes, ", "))
                  : fmt::format("{}: unknown scheme '{}'; did you mean '{}'?", url, scheme, meant));
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

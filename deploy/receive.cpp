#include <atomic>
#include <cstdlib>

#include <CLI/App.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/receive_pipeline.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "deploy/cli.hpp"
#include "deploy/process.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "receive";

struct receive_options {
  std::vector<std::string> listen;
  receive_pipeline_config pipeline;
  std::chrono::milliseconds stats_interval{0};
  std::chrono::milliseconds drain_timeout{30'000};
};

stats_config log_stats(std::chrono::milliseconds interval) {
  return {interval, [last = 0.0](const stats_snapshot& x) mutable {
            auto stored = total(x, "component_sent_events_total", {{"component_id", "storage-writer"}});
            if (stored == last)
              return;
            spdlog::info("storage: {} stored, {:.0f} new, {} on disk",
              counted(static_cast<std::uint64_t>(stored), "record"), stored - last,
              format_size(total(x, "component_sent_bytes_total", {{"component_id", "storage-writer"}})));
            last = stored;
          }};
}

/// Opens all listeners, or tells which could not be opened.
expected<std::vector<std::unique_ptr<listener>>> open_listeners(
  network& net, const std::vector<endpoint>& addresses, const receive_pipeline_actor& pipeline) {
  std::vector<std::unique_ptr<listener>> listeners;
  for (auto& where : addresses) {
    auto made = listen_for(pipeline, net, where, link_options{});
    if (!made)
      return fail(made.error());
    spdlog::info("listening on {}", to_string((*made)->local()));
    listeners.push_back(std::move(*made));
  }
  return listeners;
}

/// Lets the receivers have their answers, then closes the store, unless that takes too long, fails, or a second signal
/// comes.
exit_code drain(signal_wait& signals, actor_process& process, const receive_pipeline_actor& pipeline,
  std::chrono::milliseconds timeout) {
  auto drained = ask<void>(process.system(), pipeline, drain_atom_v);
  if (wait_for(signals, drained, std::chrono::steady_clock::now() + timeout)) {
    auto outcome = drained.get();
    return outcome ? exit_code::done
                   : static_cast<exit_code>(report(verb, exit_code::io_error, outcome.error().message));
  }
  auto metrics = take_snapshot(process.system(), process.env().now());
  auto held = [&metrics](std::string_view name) { return total(metrics, name, {{"component_id", "receiver"}}); };
  return static_cast<exit_code>(report(verb, exit_code::not_acknowledged,
    fmt::format("stopped: {} ({} of frames) received and not stored; their shippers keep them",
      counted(static_cast<std::uint64_t>(held("buffer_events")), "record"), format_size(held("buffer_size_bytes")))));
}

int run(const receive_options& options) {
  std::vector<endpoint> addresses;
  for (auto& url : options.listen) {
    auto parsed = parse_link_endpoint(url);
    if (!parsed)
      return report(verb, parsed.error());
    addresses.push_back(*parsed);
  }
  std::atomic<bool> has_failed = false; // outlives the actors
  signal_wait signals;
  actor_process process;
  auto& env = process.env();
  auto& system = process.system();
  auto opened = store::open(env.files, options.pipeline.folder, options.pipeline.store, env.now());
  if (!opened) {
    auto is_bad_data = to_exit_code(opened.error().code) == exit_code::bad_data;
    return report(verb, is_bad_data ? exit_code::bad_data : exit_code::cannot_create, opened.error().message);
  }
  auto pipeline = spawn_receive_pipeline(system, env, options.pipeline, std::move(*opened));
  pipeline->attach_functor([&has_failed](const caf::error& reason) {
    has_failed = static_cast<bool>(reason);
    signal_wait::wake();
  });
  auto stats = spawn_supervised_stats(system, env, log_stats(options.stats_interval));
  auto result = exit_code::done;
  if (auto listeners = open_listeners(env.net, addresses, pipeline)) {
    for (auto event = signal_wait::event::reload; !has_failed && event != signal_wait::event::terminate;) {
      if (event = signals.wait(); event == signal_wait::event::reload)
        spdlog::info("SIGHUP: there is no configuration file to read again");
    }
    spdlog::info("stopping");
  } else {
    result = static_cast<exit_code>(report(verb, exit_code::cannot_create, listeners.error().message));
  }
  caf::anon_send_exit(stats, caf::exit_reason::user_shutdown);
  auto drained = has_failed ? exit_code::io_error : drain(signals, process, pipeline, options.drain_timeout);
  // Actors that do not end in time cannot be waited for either.
  if (drained != exit_code::done)
    std::_Exit(static_cast<int>(drained));
  return static_cast<int>(result);
}

/// Smaller segments would cost more in headers, footers and syncs than they hold.
expected<std::uint64_t> parse_segment_size(const std::string& text) {
  constexpr std::uint64_t least = 64 * 1024;
  auto size = parse_size(text);
  if (size && *size < least)
    return fail(errc::invalid_argument, fmt::format("'{}' is too small for a segment; give 64KiB at least", text));
  return size;
}

} // namespace

void add_receive(CLI::App& app) {
  auto* sub = app.add_subcommand("receive", "Receive frames and store them durably");
  auto options = std::make_shared<receive_options>();
  sub->add_option("--listen", options->listen, "Where to listen, for instance tcp://0.0.0.0:7070; may be repeated")
    ->required()
    ->type_name("URL");
  sub->add_option("--store", options->pipeline.folder, "Folder of the store; made if it is not there")
    ->required()
    ->type_name("DIR");
  add_parsed(*sub, "--durability", options->pipeline.store.durability, "fsync|os|memory",
    "What an acknowledgement means: synced to the disk (fsync); written, and synced when a segment is full or "
    "the store is closed (os); written, and never synced (memory)",
    [](const std::string& text) { return parse_durability(text); })
    ->default_str("fsync");
  add_parsed(*sub, "--segment-bytes", options->pipeline.store.segment_bytes, "SIZE",
    "Size of frames at which a segment is sealed; at least 64KiB", parse_segment_size)
    ->default_str("256MiB");
  add_count(*sub, "--max-used-percent", options->pipeline.store.max_used_percent, 10, 100,
    "Refuse frames once the file system is as full as this (10 to 100), until it is 5 % emptier")
    ->default_str("90");
  add_parsed(*sub, "--retention-age", options->pipeline.store.retention.age, "DURATION",
    "Remove segments that were full so long ago; for ever, if not given", parse_duration);
  add_size(*sub, "--retention-bytes", options->pipeline.store.retention.bytes,
    "Remove the oldest segments while all together take more than this; any number, if not given");
  add_count(*sub, "--max-connections", options->pipeline.acceptor.max_connections, 1, 1'000'000,
    "Further connections are refused")
    ->default_str("1024");
  add_duration(*sub, "--stats-interval", options->stats_interval, "Log what was stored this often");
  add_duration(*sub, "--drain-timeout", options->drain_timeout,
    "After SIGTERM or SIGINT, wait this long, or until a second one, for what has come to be stored")
    ->default_str("30s");
  add_log_options(*sub);
  sub->callback([options] { finish(run(*options)); });
}

} // namespace sluice

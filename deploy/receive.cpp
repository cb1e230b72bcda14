#include <algorithm>
#include <cstdlib>

#include <CLI/App.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/stats/stats_aggregator.hpp"
#include "deploy/cli.hpp"
#include "deploy/operations.hpp"
#include "deploy/process.hpp"
#include "deploy/receive_node.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "receive";

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

struct receive_arguments {
  receive_options what;
  std::vector<std::string> listen;
  std::optional<endpoint> operations;
  std::chrono::milliseconds stats_interval{0};
  std::chrono::milliseconds drain_timeout{30'000};
};

std::optional<startup_error> open_all(
  actor_process& process, const receive_arguments& options, receive_node& node, std::unique_ptr<http_listener>& to) {
  if (options.operations) {
    auto opened = listen_for_operations(process, *options.operations);
    if (!opened)
      return startup_error{exit_code::cannot_create, opened.error().message};
    to = std::move(*opened);
  }
  return node.listen_all();
}

int run(const receive_arguments& options) {
  auto what = options.what;
  for (auto& url : options.listen) {
    auto parsed = parse_listen_address(url);
    if (!parsed)
      return report(verb, parsed.error());
    auto is_same = [&parsed](auto& x) { return have_same_address(*parsed, x); };
    if (std::ranges::any_of(what.listen, is_same) || (options.operations && is_same(*options.operations)))
      return report(verb, exit_code::usage,
        fmt::format("{}: two of --listen and --http have this address; give each another one", url));
    what.listen.push_back(*parsed);
  }
  signal_wait signals;
  actor_process process;
  auto opened = receive_node::open(process, what);
  if (!opened)
    return report(verb, opened.error().code, opened.error().message);
  auto& node = **opened;
  auto stats = spawn_supervised_stats(process.system(), process.env(), log_stats(options.stats_interval));
  auto result = exit_code::done;
  std::unique_ptr<http_listener> operations;
  if (auto failure = open_all(process, options, node, operations)) {
    result = static_cast<exit_code>(report(verb, failure->code, failure->message));
  } else {
    for (auto event = signal_wait::event::reload; !node.has_failed() && event != signal_wait::event::terminate;) {
      if (event = signals.wait(); event == signal_wait::event::reload) {
        spdlog::info("SIGHUP: certificates are read again if they have changed");
        process.tls().refresh();
      }
    }
    spdlog::info("stopping");
  }
  caf::anon_send_exit(stats, caf::exit_reason::user_shutdown);
  auto drained = node.drain(verb, &signals, std::chrono::steady_clock::now() + options.drain_timeout);
  // Actors that do not end in time cannot be waited for either.
  if (drained != exit_code::done)
    std::_Exit(static_cast<int>(drained));
  return static_cast<int>(result);
}

} // namespace

void add_receive(CLI::App& app) {
  auto* sub = app.add_subcommand("receive", "Receive frames and store them durably");
  auto options = std::make_shared<receive_arguments>();
  sub
    ->add_option("--listen", options->listen,
      "Where to listen, for instance tcp://0.0.0.0:7070 or tls://0.0.0.0:7071; may be repeated")
    ->required()
    ->type_name("URL");
  sub->add_option("--store", options->what.pipeline.folder, "Folder of the store; made if it is not there")
    ->required()
    ->type_name("DIR");
  add_parsed(*sub, "--http", options->operations, "ADDR",
    "Where to tell of this process over HTTP: /health, /ready, /metrics; HOST:PORT", parse_operations_address);
  add_server_tls_options(*sub, options->what.tls);
  add_parsed(*sub, "--durability", options->what.pipeline.store.durability, "fsync|os|memory",
    "What an acknowledgement means: synced to the disk (fsync); written, and synced when a segment is full or "
    "the store is closed (os); written, and never synced (memory)",
    [](const std::string& text) { return parse_durability(text); })
    ->default_str("fsync");
  add_parsed(*sub, "--segment-bytes", options->what.pipeline.store.segment_bytes, "SIZE",
    "Size of frames at which a segment is sealed; at least 64KiB", parse_segment_size)
    ->default_str("256MiB");
  add_count(*sub, "--max-used-percent", options->what.pipeline.store.max_used_percent, 10, 100,
    "Refuse frames once the file system is as full as this (10 to 100), until it is 5 % emptier")
    ->default_str("90");
  add_parsed(*sub, "--retention-age", options->what.pipeline.store.retention.age, "DURATION",
    "Remove segments that were full so long ago; for ever, if not given", parse_duration);
  add_size(*sub, "--retention-bytes", options->what.pipeline.store.retention.bytes,
    "Remove the oldest segments while all together take more than this; any number, if not given");
  add_count(*sub, "--max-connections", options->what.pipeline.acceptor.max_connections, 1, 1'000'000,
    "Further connections are refused")
    ->default_str("1024");
  add_parsed(*sub, "--max-message-bytes", options->what.ingest.max_message_bytes, "SIZE",
    "Longer messages of syslog and lines are cut into records of this size (1KiB to 8MiB)", parse_message_size)
    ->default_str("64KiB");
  add_parsed(*sub, "--lines", options->what.ingest.lines, "text|json",
    "What lines+tcp:// takes: lines as they are (text), or JSON objects whose timestamp, level and message are "
    "recognised (json)",
    parse_line_form)
    ->default_str("text");
  sub
    ->add_option("--http-token-file", options->what.http_token_file,
      "File with the bearer token that every HTTP request must have; without it none is asked for")
    ->type_name("FILE");
  add_duration(*sub, "--stats-interval", options->stats_interval, "Log what was stored this often");
  add_duration(*sub, "--drain-timeout", options->drain_timeout,
    "After SIGTERM or SIGINT, wait this long, or until a second one, for what has come to be stored")
    ->default_str("30s");
  add_log_options(*sub);
  sub->callback([options] { finish(run(*options)); });
}

} // namespace sluice

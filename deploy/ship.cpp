#include <CLI/App.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/stats/stats_aggregator.hpp"
#include "deploy/agent_state.hpp"
#include "deploy/cli.hpp"
#include "deploy/process.hpp"
#include "deploy/ship_node.hpp"
#include "deploy/ship_outcome.hpp"
#include "messages/counted.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "ship";

/// How long a receiver that has never answered is tried, unless `--deadline` says otherwise.
constexpr std::chrono::seconds first_connection_patience{10};

struct ship_arguments {
  ship_options what;
  std::vector<std::string> to;
  std::optional<std::size_t> batch_bytes;
  std::string multiline_start;
  bool joins_indented = false;
  std::chrono::milliseconds deadline{0};
  std::chrono::milliseconds drain_timeout{30'000};
  bool progress = false;
};

stats_config print_progress(bool wanted, bool has_spool) {
  using namespace std::chrono_literals;
  return {
    wanted ? 1000ms : 0ms, [has_spool, last = 0.0](const stats_snapshot& x) mutable {
      auto acked = total(x, "component_sent_bytes_total", {{"component_id", "shipper"}});
      auto spooled = has_spool
                       ? fmt::format("; {} written to the spool", amount(total(x, "sluice_spool_written_events_total"),
                                                                    total(x, "sluice_spool_written_bytes_total")))
                       : std::string{};
      auto records = static_cast<std::uint64_t>(total(x, "component_sent_events_total", {{"component_id", "shipper"}}));
      fmt::print(stderr, "{} acknowledged, {}, {}/s, {} on their way{}\n", counted(records, "record"),
        format_size(acked), format_size(acked - last),
        format_size(total(x, "buffer_size_bytes", {{"component_id", "shipper"}})), spooled);
      last = acked;
    }};
}

/// Waits until everything is acknowledged or the time for it is over. A first signal ends the reading, a second one the
/// waiting. Returns what it was that did, if not all is acknowledged.
std::optional<std::string_view> wait_for_end(signal_wait& signals, const ship_arguments& options,
  const ship_pipeline_actor& pipeline, const std::future<expected<ship_report>>& drained) {
  using clock = std::chrono::steady_clock;
  std::optional<clock::time_point> deadline;
  if (options.deadline.count() > 0)
    deadline = clock::now() + options.deadline;
  if (wait_for(&signals, drained, deadline))
    return std::nullopt;
  if (deadline && clock::now() >= *deadline)
    return "the deadline has passed";
  spdlog::info("stopping: no more is read; waiting for what is on its way");
  caf::anon_send(pipeline, stop_atom_v);
  auto latest = clock::now() + options.drain_timeout;
  if (wait_for(&signals, drained, deadline ? std::min(*deadline, latest) : latest))
    return std::nullopt;
  return "stopped";
}

/// Says how many records were dropped, and why, if any were.
void say_dropped(const stats_snapshot& metrics) {
  std::string reasons;
  for (auto reason : {gap_reason::drop_newest, gap_reason::drop_oldest, gap_reason::shed_by_severity})
    if (auto records = total(metrics, "component_discarded_events_total", {{"reason", std::string{reason}}}))
      reasons += fmt::format("{}{:.0f} {}", reasons.empty() ? "" : ", ", records, reason);
  if (!reasons.empty())
    fmt::print(stderr, "sluice ship: records dropped in overload, by reason: {}\n", reasons);
}

/// Nothing is reported after this.
void end_progress(caf::actor_system& system, const supervisor_actor& stats) {
  caf::scoped_actor self{system};
  self->send_exit(stats, caf::exit_reason::user_shutdown);
  self->wait_for(stats);
}

/// What the arguments mean together.
expected<ship_options> complete(const ship_arguments& given) {
  auto made = given.what;
  for (auto& url : given.to) {
    auto to = parse_destination(url);
    if (!to)
      return fail(to.error());
    made.to.push_back(*to);
  }
  made.batch.max_bytes = given.batch_bytes.value_or(usual_batch_bytes(made.to));
  if (given.joins_indented)
    made.joiner = line_joiner::by_indentation();
  if (!given.multiline_start.empty()) {
    auto joiner = line_joiner::by_start(given.multiline_start);
    if (!joiner)
      return fail(joiner.error());
    made.joiner = std::move(*joiner);
  }
  if (made.state.empty())
    made.state = default_state_folder();
  if (given.deadline.count() == 0)
    made.first_answer_within = first_connection_patience;
  return made;
}

int run(const ship_arguments& options) {
  signal_wait signals;
  actor_process process;
  auto what = complete(options);
  if (!what)
    return report(verb, what.error());
  auto started = start_ship_node(process, *what);
  if (!started)
    return report(verb, started.error().code, started.error().message);
  auto& [pipeline, abandoned, has_spool] = *started;
  auto stats = spawn_supervised_stats(process.system(), process.env(), print_progress(options.progress, has_spool));
  auto drained = ask<ship_report>(process.system(), pipeline, drain_atom_v);
  auto cut_short = wait_for_end(signals, options, pipeline, drained);
  auto status = cut_short ? present_status(&signals, process.system(), pipeline) : ship_status{};
  end_progress(process.system(), stats);
  say_dropped(take_snapshot(process.system(), process.env().now()));
  auto result =
    cut_short ? explain_unfinished(verb, status, *cut_short) : conclude_shipping(verb, drained.get(), *abandoned);
  caf::anon_send_exit(pipeline, caf::exit_reason::user_shutdown);
  return static_cast<int>(result);
}

} // namespace

void add_ship(CLI::App& app) {
  auto* sub = app.add_subcommand(
    "ship", "Ship files and pipes, and end once all is durably acknowledged; with --follow, go on until a signal");
  auto options = std::make_shared<ship_arguments>();
  sub->add_option("SRC", options->what.sources, "Files, patterns, or - for standard input")->required();
  sub
    ->add_option("--to", options->to,
      "Where to ship to, for instance tcp://host:7070, tls://host:7071 or udp://host:7070; may be repeated: the others "
      "stand in for one that fails")
    ->required()
    ->allow_extra_args(false)
    ->type_name("URL");
  sub->add_option("--state", options->what.state, "Folder that keeps this agent's identity and what it knows")
    ->type_name("DIR");
  add_client_tls_options(*sub, options->what.tls);
  add_labels(*sub, options->what.labels, "A label for every stream; may be repeated");
  add_parsed(*sub, "--compression", options->what.how, "zstd[:LEVEL]|none", "How to compress",
    [](const std::string& text) { return parse_compression(text); })
    ->default_str("zstd:1");
  add_parsed(*sub, "--batch-bytes", options->batch_bytes, "SIZE", "Largest batch", parse_batch_bytes)
    ->default_str("1MiB, or 64KiB if it goes over udp");
  add_count(*sub, "--batch-events", options->what.batch.max_events, 1, 1'000'000, "Most records in a batch")
    ->default_str("4096");
  add_duration(*sub, "--flush-interval", options->what.batch.timeout, "Longest time a batch may wait to be filled")
    ->default_str("1s");
  auto* deadline =
    add_duration(*sub, "--deadline", options->deadline, "End with status 75 if not all is acknowledged by then");
  sub
    ->add_flag(
      "--follow", options->what.is_following, "Go on with what is appended, and with what follows when rotated")
    ->excludes(deadline);
  add_duration(*sub, "--poll-interval", options->what.follow.poll_interval,
    "How often to look for changes that the system "
    "does not tell of")
    ->default_str("1s");
  auto* start = sub
                  ->add_option("--multiline-start", options->multiline_start,
                    "Lines that match this regular expression begin a record; others continue it")
                  ->type_name("RE");
  sub->add_flag("--multiline-indent", options->joins_indented, "Lines that begin with a space or tab continue a record")
    ->excludes(start);
  add_duration(*sub, "--multiline-timeout", options->what.multiline_timeout,
    "How long a record may be continued after its last line")
    ->default_str("1s");
  add_duration(
    *sub, "--rotate-wait", options->what.follow.rotate_wait, "How long to wait for late lines in rotated files")
    ->default_str("5s");
  add_duration(*sub, "--drain-timeout", options->drain_timeout,
    "After SIGTERM or SIGINT, wait this long, or until a second one, for what is on its way to be acknowledged")
    ->default_str("30s");
  add_parsed(*sub, "--spool-max-size", options->what.spool.max_bytes, "SIZE",
    "What the spool of standard input and pipes may take on disk; they are read no further when it is full",
    parse_spool_bytes)
    ->default_str("1GiB");
  add_parsed(*sub, "--policy", options->what.overload.policy, "block|drop-newest|drop-oldest|shed|spill",
    "What to do when more comes in than goes out", [](const std::string& text) { return parse_overload_policy(text); })
    ->default_str("block");
  add_size(*sub, "--buffer-max-size", options->what.overload.max_lag_bytes,
    "How far a followed file may be ahead of its reader before the policy applies")
    ->default_str("1GiB");
  add_parsed(*sub, "--shed-severity", options->what.overload.least, "LEVEL",
    "What the policy shed keeps: this and what is more severe",
    [](const std::string& text) { return parse_level(text); })
    ->default_str("warning");
  sub->add_flag("--progress", options->progress, "Print what is acknowledged once a second");
  add_log_options(*sub);
  sub->callback([options] { finish(run(*options)); });
}

} // namespace sluice

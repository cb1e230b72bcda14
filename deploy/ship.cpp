#include <filesystem>

#include <CLI/App.hpp>
#include <caf/actor_system.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "actors/ship_pipeline.hpp"
#include "actors/source/pipe_reader.hpp"
#include "actors/spool/spool_slot.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "deploy/agent_state.hpp"
#include "deploy/cli.hpp"
#include "deploy/process.hpp"
#include "messages/counted.hpp"
#include "messages/uuid.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "ship";

/// How long a receiver that has never answered is tried, unless `--deadline` says otherwise.
constexpr std::chrono::seconds first_connection_patience{10};

struct ship_options {
  std::vector<std::string> sources;
  std::vector<std::string> to;
  std::string state;
  label_set labels;
  compression how;
  batch_limits batch;
  std::uint64_t batch_bytes = batch_limits{}.max_bytes;
  bool is_following = false;
  follow_config follow;
  std::string multiline_start;
  bool joins_indented = false;
  std::chrono::milliseconds multiline_timeout = file_source_config{}.multiline_timeout;
  std::chrono::milliseconds deadline{0};
  std::chrono::milliseconds drain_timeout{30'000};
  spool_limits spool;
  overload_config overload;
  bool progress = false;
};

/// A path, or what a pattern matches.
expected<std::vector<std::filesystem::path>> expand(file_system& files, const std::string& given) {
  auto is_pattern = given.find_first_of("*?[") != std::string::npos;
  if (!is_pattern || files.open(given, open_mode::read))
    return std::vector<std::filesystem::path>{given};
  auto matches = files.glob(given);
  if (matches && matches->empty())
    return fail(errc::not_found, fmt::format("{}: no file matches", given));
  return matches;
}

/// Whether there is something that must be read to its end as it is: a pipe, a device.
bool is_pipe(file_system& files, const std::string& source) {
  auto info = files.info(source);
  return source == "-" || (info && !info->regular);
}

std::string absolute_path(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

/// Opens everything once, so that a mistake is told before anything is shipped. What is not a regular file stays
/// open: who writes to a pipe must not see its reader go and come.
expected<void> find_sources(file_system& files, const ship_options& options, file_source_config& config) {
  auto add_pipe = [&config](const std::string& name, std::shared_ptr<file> opened) {
    config.pipes.emplace(name, std::make_shared<pipe_reader>(name, make_uuid(), std::move(opened)));
  };
  for (auto& source : options.sources) {
    if (options.is_following && !is_pipe(files, source)) {
      config.follow.patterns.push_back(absolute_path(source));
      continue;
    }
    if (source == "-") {
      auto input = files.standard_input();
      if (!input)
        return fail(input.error());
      config.paths.push_back(source);
      add_pipe(source, std::move(*input));
      continue;
    }
    auto paths = expand(files, source);
    if (!paths)
      return fail(paths.error());
    for (auto& path : *paths) {
      auto opened = files.open(path, open_mode::read);
      if (!opened)
        return fail(opened.error());
      auto info = (*opened)->info();
      if (!info)
        return fail(info.error());
      config.paths.push_back(absolute_path(path));
      if (!info->regular)
        add_pipe(config.paths.back(), std::move(*opened));
    }
  }
  return {};
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

std::string amount(double records, double bytes) {
  return fmt::format("{} ({})", counted(static_cast<std::uint64_t>(records), "record"), format_size(bytes));
}

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

/// Where that is which was read and is not acknowledged.
std::string remains(const ship_status& status) {
  auto& spool = status.spool;
  if (spool.folder.empty())
    return fmt::format("{} of {} read after that and not acknowledged; ship again to go on from there",
      amount(status.pending_records, status.pending_bytes), counted(status.pending_streams, "stream"));
  auto text = fmt::format("{} waiting in the spool {}, for the next start to ship",
    amount(spool.waiting_records, spool.waiting_bytes), spool.folder);
  if (spool.queued_records > 0)
    text += fmt::format("; {} read, but not written there, and lost", amount(spool.queued_records, spool.queued_bytes));
  return text;
}

/// Says what has and what has not arrived.
exit_code explain_unfinished(const ship_status& status, std::string_view why) {
  auto cause = status.last_error.message.empty() ? std::string{} : "; last error: " + status.last_error.message;
  auto is_spooled = status.spool.waiting_records + status.spool.queued_records > 0;
  if (!status.was_connected && !is_spooled) {
    report(
      verb, exit_code::unavailable, fmt::format("{}: no receiver has answered, nothing was shipped{}", why, cause));
    return exit_code::unavailable;
  }
  auto arrived = status.was_connected ? fmt::format("{} acknowledged", amount(status.acked_records, status.acked_bytes))
                                      : "no receiver has answered";
  report(verb, exit_code::not_acknowledged, fmt::format("{}: {}; {}{}", why, arrived, remains(status), cause));
  return exit_code::not_acknowledged;
}

expected<ship_pipeline_config> make_config(const ship_options& options, file_system& files) {
  ship_pipeline_config made;
  for (auto& url : options.to) {
    auto to = parse_link_endpoint(url);
    if (!to)
      return fail(to.error());
    if (to->port == 0)
      return fail(errc::invalid_argument, fmt::format("{}: nobody can listen on port 0", url));
    made.ship.to.push_back(*to);
  }
  made.source.follow = options.follow;
  made.source.multiline_timeout = options.multiline_timeout;
  if (options.joins_indented)
    made.source.joiner = line_joiner::by_indentation();
  if (!options.multiline_start.empty()) {
    auto joiner = line_joiner::by_start(options.multiline_start);
    if (!joiner)
      return fail(joiner.error());
    made.source.joiner = std::move(*joiner);
  }
  if (auto found = find_sources(files, options, made.source); !found)
    return fail(found.error());
  made.source.overload = options.overload;
  made.source.labels = options.labels;
  if (!options.labels.find("host"))
    if (auto set = made.source.labels.set("host", host_name()); !set)
      return fail(set.error());
  made.batch = options.batch;
  made.batch.max_bytes = options.batch_bytes;
  made.how = options.how;
  if (options.deadline.count() == 0 && !options.is_following)
    made.ship.give_up_after = first_connection_patience;
  return made;
}

using drain_result = expected<ship_report>;

/// Waits until everything is acknowledged or the time for it is over. A first signal ends the reading, a second one the
/// waiting. Returns what it was that did, if not all is acknowledged.
std::optional<std::string_view> wait_for_end(signal_wait& signals, const ship_options& options,
  const ship_pipeline_actor& pipeline, const std::future<drain_result>& drained) {
  using clock = std::chrono::steady_clock;
  std::optional<clock::time_point> deadline;
  if (options.deadline.count() > 0)
    deadline = clock::now() + options.deadline;
  if (wait_for(signals, drained, deadline))
    return std::nullopt;
  if (deadline && clock::now() >= *deadline)
    return "the deadline has passed";
  spdlog::info("stopping: no more is read; waiting for what is on its way");
  caf::anon_send(pipeline, stop_atom_v);
  auto latest = clock::now() + options.drain_timeout;
  if (wait_for(signals, drained, deadline ? std::min(*deadline, latest) : latest))
    return std::nullopt;
  return "stopped";
}

exit_code conclude(const drain_result& outcome, const abandoned_input& abandoned) {
  if (!outcome)
    return static_cast<exit_code>(report(verb, outcome.error()));
  auto& [status, errors] = *outcome;
  if (auto left = abandoned.left(); left.streams > 0)
    return static_cast<exit_code>(report(verb, exit_code::not_acknowledged,
      fmt::format("{} acknowledged; {} more of {} read and not known to be, for an actor failed "
                  "while the reading was ended; ship again to go on from there",
        amount(status.acked_records, status.acked_bytes), format_size(static_cast<double>(left.bytes)),
        counted(left.streams, "file"))));
  if (status.spool.waiting_records > 0)
    return explain_unfinished(status, "the input has ended");
  fmt::print(stderr, "sluice ship: {} of {} acknowledged, {} sent\n", amount(status.acked_records, status.acked_bytes),
    counted(status.streams, "stream"), format_size(static_cast<double>(status.sent_bytes)));
  if (errors.empty())
    return exit_code::done;
  return static_cast<exit_code>(report(verb, exit_code::io_error,
    fmt::format("{} of the sources could not be read to the end: {}", errors.size(), errors.front())));
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

/// What has arrived by now. Nothing more is read then, and what was read has a little time to get into the spool.
ship_status present_status(signal_wait& signals, caf::actor_system& system, const ship_pipeline_actor& pipeline) {
  constexpr std::chrono::seconds patience{5};
  caf::anon_send(pipeline, stop_atom_v);
  wait_for(signals, ask<void>(system, pipeline, flush_atom_v), std::chrono::steady_clock::now() + patience);
  auto asked = ask<ship_report>(system, pipeline, status_atom_v);
  if (!wait_for(signals, asked, std::chrono::steady_clock::now() + patience))
    return {};
  auto answer = asked.get();
  return answer ? answer->status : ship_status{};
}

/// What cannot be read again goes through a spool, and what is not to be read again.
expected<spool_config> make_spool_config(
  const ship_options& options, const std::filesystem::path& state, environment& env) {
  auto slot = take_spool_slot(env.files, state, options.spool, env.now());
  if (!slot)
    return fail(slot.error());
  spool_config made;
  made.folder = slot->folder;
  made.claim = slot->claim;
  made.opened = std::make_shared<std::unique_ptr<spool_log>>(std::move(slot->opened));
  made.limits = options.spool;
  made.takes_all = options.overload.policy == overload_policy::spill;
  if (options.overload.policy == overload_policy::drop_oldest)
    made.when_full = spool_overflow::drop_oldest;
  if (options.overload.policy == overload_policy::drop_newest)
    made.when_full = spool_overflow::drop_newest;
  if (options.deadline.count() == 0)
    made.give_up_after = first_connection_patience;
  return made;
}

int run(const ship_options& options) {
  signal_wait signals;
  actor_process process;
  auto& env = process.env();
  auto config = make_config(options, env.files);
  if (!config)
    return report(verb, config.error());
  std::filesystem::path state = options.state.empty() ? default_state_folder() : options.state;
  auto agent = load_agent(env.files, state);
  if (!agent)
    return report(verb, exit_code::cannot_create, agent.error().message);
  config->source.producer = agent->producer;
  config->source.epoch = config->ship.epoch = agent->epoch;
  config->source.file_notes = state / "files";
  config->ship.checkpoints = state / "checkpoints";

  auto has_spool = !config->source.pipes.empty() || options.overload.policy == overload_policy::spill;
  if (has_spool) {
    auto spool = make_spool_config(options, state, env);
    if (!spool)
      return report(verb, spool.error());
    config->spool = std::move(*spool);
    config->ship.give_up_after.reset();
  }

  auto abandoned = config->source.abandoned;
  auto pipeline = spawn_ship_pipeline(process.system(), env, std::move(*config));
  auto stats = spawn_supervised_stats(process.system(), env, print_progress(options.progress, has_spool));
  auto drained = ask<ship_report>(process.system(), pipeline, drain_atom_v);
  auto cut_short = wait_for_end(signals, options, pipeline, drained);
  auto status = cut_short ? present_status(signals, process.system(), pipeline) : ship_status{};
  say_dropped(take_snapshot(process.system(), env.now()));
  auto result = cut_short ? explain_unfinished(status, *cut_short) : conclude(drained.get(), *abandoned);
  caf::anon_send_exit(stats, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(pipeline, caf::exit_reason::user_shutdown);
  return static_cast<int>(result);
}

} // namespace

void add_ship(CLI::App& app) {
  auto* sub = app.add_subcommand(
    "ship", "Ship files and pipes, and end once all is durably acknowledged; with --follow, go on until a signal");
  auto options = std::make_shared<ship_options>();
  sub->add_option("SRC", options->sources, "Files, patterns, or - for standard input")->required();
  sub
    ->add_option("--to", options->to,
      "Where to ship to, for instance tcp://host:7070; may be repeated: the others stand in for one that fails")
    ->required()
    ->allow_extra_args(false)
    ->type_name("URL");
  sub->add_option("--state", options->state, "Folder that keeps this agent's identity and what it knows")
    ->type_name("DIR");
  add_labels(*sub, options->labels, "A label for every stream; may be repeated");
  add_parsed(*sub, "--compression", options->how, "zstd[:LEVEL]|none", "How to compress", [](const std::string& text) {
    return parse_compression(text);
  })->default_str("zstd:1");
  add_size(*sub, "--batch-bytes", options->batch_bytes, "Largest batch")->default_str("1MiB");
  add_count(*sub, "--batch-events", options->batch.max_events, 1, 1'000'000, "Most records in a batch")
    ->default_str("4096");
  add_duration(*sub, "--flush-interval", options->batch.timeout, "Longest time a batch may wait to be filled")
    ->default_str("1s");
  auto* deadline =
    add_duration(*sub, "--deadline", options->deadline, "End with status 75 if not all is acknowledged by then");
  sub->add_flag("--follow", options->is_following, "Go on with what is appended, and with what follows when rotated")
    ->excludes(deadline);
  add_duration(*sub, "--poll-interval", options->follow.poll_interval,
    "How often to look for changes that the system "
    "does not tell of")
    ->default_str("1s");
  auto* start = sub
                  ->add_option("--multiline-start", options->multiline_start,
                    "Lines that match this regular expression begin a record; others continue it")
                  ->type_name("RE");
  sub->add_flag("--multiline-indent", options->joins_indented, "Lines that begin with a space or tab continue a record")
    ->excludes(start);
  add_duration(
    *sub, "--multiline-timeout", options->multiline_timeout, "How long a record may be continued after its last line")
    ->default_str("1s");
  add_duration(*sub, "--rotate-wait", options->follow.rotate_wait, "How long to wait for late lines in rotated files")
    ->default_str("5s");
  add_duration(*sub, "--drain-timeout", options->drain_timeout,
    "After SIGTERM or SIGINT, wait this long, or until a second one, for what is on its way to be acknowledged")
    ->default_str("30s");
  add_size(*sub, "--spool-max-size", options->spool.max_bytes,
    "What the spool of standard input and pipes may take on disk; they are read no further when it is full")
    ->default_str("1GiB");
  add_parsed(*sub, "--policy", options->overload.policy, "block|drop-newest|drop-oldest|shed|spill",
    "What to do when more comes in than goes out", [](const std::string& text) { return parse_overload_policy(text); })
    ->default_str("block");
  add_size(*sub, "--buffer-max-size", options->overload.max_lag_bytes,
    "How far a followed file may be ahead of its reader before the policy applies")
    ->default_str("1GiB");
  add_parsed(*sub, "--shed-severity", options->overload.least, "LEVEL",
    "What the policy shed keeps: this and what is more severe",
    [](const std::string& text) { return parse_level(text); })
    ->default_str("warning");
  sub->add_flag("--progress", options->progress, "Print what is acknowledged once a second");
  add_log_options(*sub);
  sub->callback([options] {
    constexpr std::uint64_t least = 1024, most = 16 * 1024 * 1024;
    if (options->batch_bytes < least || options->batch_bytes > most)
      throw CLI::ValidationError("--batch-bytes", "must be between 1KiB and 16MiB");
    if (constexpr std::uint64_t least_spool = 2 * most; options->spool.max_bytes < least_spool)
      throw CLI::ValidationError("--spool-max-size", "must be 32MiB at least");
    finish(run(*options));
  });
}

} // namespace sluice

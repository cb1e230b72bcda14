#include <atomic>
#include <cstdlib>

#include <CLI/App.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/errors.hpp"
#include "actors/receiver/acceptor.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "actors/storage/storage_writer.hpp"
#include "actors/storage/store.hpp"
#include "deploy/cli.hpp"
#include "deploy/process.hpp"

namespace sluice {

namespace {

constexpr std::string_view verb = "receive";

struct receive_options {
  std::vector<std::string> listen;
  std::string folder;
  store_options store;
  acceptor_config acceptor;
  std::chrono::milliseconds stats_interval{0};
};

void log_recovery(const store_recovery& found, const std::string& folder) {
  spdlog::info("storage: {}: {} segments, {} streams", folder, found.segments, found.streams);
  if (found.cut)
    spdlog::warn("storage: {}; cut off {} bytes at the end, none of which was acknowledged as durable",
      to_string(found.cut->where), found.cut->bytes);
}

/// Ends the process if the actor ends before its time. Lives as long as its handle: a monitor alone keeps nobody alive.
caf::actor watch(caf::actor_system& system, const storage_writer_actor& storage, std::atomic<bool>& broken) {
  return system.spawn([storage, &broken](caf::event_based_actor* self) -> caf::behavior {
    self->monitor(storage);
    self->set_down_handler([self, &broken](const caf::down_msg& x) {
      if (x.reason) {
        spdlog::critical("storage: ended: {}", to_string(x.reason));
        broken = true;
        signal_wait::wake();
      }
      self->quit();
    });
    return {[](caf::unit_t) {}};
  });
}

stats_config log_stats(std::chrono::milliseconds interval) {
  return {interval, [last = 0.0](const stats_snapshot& x) mutable {
            auto stored = total(x, "component_sent_events_total", {{"component_id", "storage-writer"}});
            if (stored == last)
              return;
            spdlog::info("storage: {:.0f} records stored, {:.0f} new, {} on disk", stored, stored - last,
              format_size(total(x, "component_sent_bytes_total", {{"component_id", "storage-writer"}})));
            last = stored;
          }};
}

/// Opens all listeners, or tells which could not be opened.
expected<std::vector<std::unique_ptr<listener>>> open_listeners(
  network& net, const std::vector<endpoint>& addresses, const acceptor_actor& acceptor) {
  std::vector<std::unique_ptr<listener>> listeners;
  for (auto& where : addresses) {
    auto made = listen_for(acceptor, net, where, link_options{});
    if (!made)
      return fail(made.error());
    spdlog::info("listening on {}", to_string((*made)->local()));
    listeners.push_back(std::move(*made));
  }
  return listeners;
}

/// Lets the receivers have their answers, then closes the store. Returns false if that takes too long or fails.
bool drain(caf::actor_system& system, const acceptor_actor& acceptor, const storage_writer_actor& storage) {
  constexpr std::chrono::seconds patience{30};
  caf::scoped_actor self{system};
  auto done = true;
  auto note = [&done](const caf::error& reason) {
    report(verb, from_caf(reason));
    done = false;
  };
  self->request(acceptor, patience, drain_atom_v).receive([] {}, note);
  if (done)
    self->request(storage, patience, drain_atom_v).receive([] {}, note);
  return done;
}

int run(const receive_options& options) {
  std::vector<endpoint> addresses;
  for (auto& url : options.listen) {
    auto parsed = parse_link_endpoint(url);
    if (!parsed)
      return report(verb, parsed.error());
    addresses.push_back(*parsed);
  }
  signal_wait signals;
  actor_process process;
  auto& env = process.env();
  auto& system = process.system();
  auto opened = store::open(env.files, options.folder, options.store, env.now());
  if (!opened) {
    auto is_bad_data = to_exit_code(opened.error().code) == exit_code::bad_data;
    return report(verb, is_bad_data ? exit_code::bad_data : exit_code::cannot_create, opened.error().message);
  }
  log_recovery((*opened)->recovery(), options.folder);

  std::atomic<bool> broken = false;
  auto storage = spawn_storage_writer(system, env, std::move(*opened));
  auto watcher = watch(system, storage, broken);
  auto stats = spawn_stats_aggregator(system, env, log_stats(options.stats_interval));
  auto acceptor = spawn_acceptor(system, options.acceptor, storage);
  auto result = exit_code::done;
  if (auto listeners = open_listeners(env.net, addresses, acceptor)) {
    while (signals.wait() == signal_wait::event::reload)
      spdlog::info("SIGHUP: there is no configuration file to read again");
    spdlog::info("stopping");
  } else {
    result = static_cast<exit_code>(report(verb, exit_code::cannot_create, listeners.error().message));
  }
  caf::anon_send(stats, stop_atom_v);
  // Actors that do not end in time cannot be waited for either.
  if (broken || !drain(system, acceptor, storage))
    std::_Exit(static_cast<int>(exit_code::io_error));
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
  sub->add_option("--store", options->folder, "Folder of the store; made if it is not there")
    ->required()
    ->type_name("DIR");
  add_parsed(*sub, "--durability", options->store.durability, "fsync|os|memory",
    "What an acknowledgement means: synced to the disk (fsync); written, and synced when a segment is full or "
    "the store is closed (os); written, and never synced (memory)",
    [](const std::string& text) { return parse_durability(text); })
    ->default_str("fsync");
  add_parsed(*sub, "--segment-bytes", options->store.segment_bytes, "SIZE",
    "Size of frames at which a segment is sealed; at least 64KiB", parse_segment_size)
    ->default_str("256MiB");
  sub
    ->add_option("--max-used-percent", options->store.max_used_percent,
      "Refuse frames once the file system is as full as this, until it is 5 % emptier")
    ->check(CLI::Range(10, 100))
    ->default_str("90");
  add_parsed(*sub, "--retention-age", options->store.retention.age, "DURATION",
    "Remove segments that were full so long ago; for ever, if not given", parse_duration);
  add_size(*sub, "--retention-bytes", options->store.retention.bytes,
    "Remove the oldest segments while all together take more than this; any number, if not given");
  sub->add_option("--max-connections", options->acceptor.max_connections, "Further connections are refused")
    ->check(CLI::Range(1, 1'000'000))
    ->default_str("1024");
  add_duration(*sub, "--stats-interval", options->stats_interval, "Log what was stored this often");
  add_log_options(*sub);
  sub->callback([options] { finish(run(*options)); });
}

} // namespace sluice

#include "deploy/api/local_shipper.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "actors/ship_pipeline.hpp"
#include "deploy/agent_state.hpp"
#include "deploy/ship_node.hpp"
#include "messages/counted.hpp"
#include "messages/uuid.hpp"

namespace sluice {

namespace {

expected<void> check_between(std::string_view option, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value < least || value > most)
    return fail(errc::invalid_argument, fmt::format("{}: {} is not between {} and {}", option, value, least, most));
  return {};
}

expected<void> check_numbers(const shipper_options& x) {
  constexpr std::uint64_t any = -1, kib = 1024, mib = 1024 * kib;
  auto ms = [](std::chrono::milliseconds duration) { return static_cast<std::uint64_t>(duration.count()); };
  constexpr std::uint64_t day_ms = 24 * 60 * 60 * 1000;
  return check_between("spool_max_bytes", x.spool_max_bytes, 32 * mib, any)
    .and_then([&] { return check_between("batch.max_bytes", x.batch.max_bytes, kib, 16 * mib); })
    .and_then([&] { return check_between("batch.max_events", x.batch.max_events, 1, 1'000'000); })
    .and_then([&] { return check_between("batch.timeout (ms)", ms(x.batch.timeout), 1, day_ms); })
    .and_then([&] {
      return check_between(
        "buffer.thread_bytes", x.buffer.thread_bytes, submission_ring::least_bytes, submission_ring::most_bytes);
    })
    .and_then([&] { return check_between("buffer.max_bytes", x.buffer.max_bytes, kib, any); })
    .and_then([&] { return check_between("buffer.block_for (ms)", ms(x.buffer.block_for), 0, day_ms); })
    .and_then([&] { return check_between("retry.initial_backoff (ms)", ms(x.retry.initial_backoff), 1, day_ms); })
    .and_then([&] {
      return check_between("retry.max_backoff (ms)", ms(x.retry.max_backoff), ms(x.retry.initial_backoff), day_ms);
    })
    .and_then([&] { return check_between("drain_timeout (ms)", ms(x.drain_timeout), 0, day_ms); });
}

/// Everything but TLS.
expected<ship_options> read(const shipper_options& given) {
  if (auto good = check_numbers(given); !good)
    return fail(good.error());
  ship_options made;
  if (given.to.empty())
    return fail(errc::invalid_argument, "to: names no receiver");
  for (auto& url : given.to) {
    auto to = parse_destination(url);
    if (!to)
      return fail(to.error().code, "to: " + to.error().message);
    made.to.push_back(*to);
  }
  for (auto& [key, value] : given.labels)
    if (auto set = made.labels.set(key, value); !set)
      return fail(set.error().code, "labels: " + set.error().message);
  if (auto added = add_host(made.labels); !added)
    return fail(added.error());
  auto how = parse_compression(given.compression);
  if (!how)
    return fail(how.error().code, "compression: " + how.error().message);
  made.how = *how;
  made.state = given.data_dir;
  made.batch = {given.batch.max_bytes, given.batch.max_events, given.batch.timeout};
  made.retry.initial = given.retry.initial_backoff;
  made.retry.max = given.retry.max_backoff;
  made.spool.max_bytes = given.spool_max_bytes;
  made.tls.ca = given.tls.ca_file;
  made.tls.cert = given.tls.crt_file;
  made.tls.key = given.tls.key_file;
  made.tls.verify_hostname = given.tls.verify_hostname;
  return made;
}

/// Without a folder each start is an agent of its own.
expected<agent_identity> begin_agent(environment& env, const ship_options& options) {
  if (options.state.empty())
    return agent_identity{make_uuid(), 1};
  return load_agent(env.files, options.state);
}

expected<ship_pipeline_config> make_pipeline_config(actor_process& process, const ship_options& options) {
  auto agent = begin_agent(process.env(), options);
  if (!agent)
    return fail(agent.error());
  auto has_spool = !options.state.empty();
  auto outlet = has_spool ? make_relay(process, options) : make_outlet(process, options);
  if (!outlet)
    return fail(to_error(outlet.error()));
  auto& made = *outlet;
  if (!has_spool)
    made.ship.checkpoints.clear();
  made.ship.epoch = agent->epoch;
  made.api_intake.emplace();
  made.api_intake->stream = {"the program's records", {agent->producer, make_uuid()}, options.labels, options.batch};
  made.api_intake->state = std::make_shared<api_intake_state>();
  made.api_intake->state->records.content = intake_content{agent->epoch};
  return std::move(made);
}

submission_limits limits_of(const shipper_options& options) {
  submission_limits made{.ring_bytes = options.buffer.thread_bytes};
  if (options.buffer.when_full == when_full::block)
    made.block_for = options.buffer.block_for;
  return made;
}

} // namespace

expected<std::unique_ptr<shipper::impl>> shipper::impl::start(
  std::shared_ptr<runtime> shared, const shipper_options& options) {
  auto& process = *shared->process();
  auto what = read(options);
  if (!what)
    return fail(what.error());
  auto config = make_pipeline_config(process, *what);
  if (!config)
    return fail(config.error());
  auto queue = std::make_shared<submission_queue>(limits_of(options));
  auto& intake = *config->api_intake;
  intake.window_bytes = options.buffer.max_bytes;
  intake.state->queue = queue;
  config->ship.on_acked = [queue, ours = intake.stream.id](const stream_id& id, const stream_point& last) {
    if (id == ours)
      queue->reach(submission_queue::stage::received, last.position);
  };
  auto made = std::make_unique<impl>();
  made->has_spool = config->spool.has_value();
  made->shared = std::move(shared);
  made->queue = queue;
  made->pipeline = spawn_ship_pipeline(process.system(), process.env(), std::move(*config));
  made->drain_timeout = options.drain_timeout;
  auto ended = std::make_shared<std::promise<void>>();
  made->ended = ended->get_future();
  ask_then<ship_report>(process.system(), made->pipeline, drain_atom_v, [queue, ended](expected<ship_report> answer) {
    if (!answer)
      queue->fail(std::move(answer.error()));
    ended->set_value();
  });
  made->shared->add(*made);
  return made;
}

shipper::impl::~impl() {
  if (shared)
    shared->remove(*this);
  end();
}

void shipper::impl::end() {
  auto ending = std::exchange(pipeline, nullptr);
  if (!ending)
    return;
  queue->close();
  caf::anon_send(ending, stop_atom_v);
  ended.wait_for(drain_timeout);
  auto counts = queue->counts();
  if (auto left = counts.submitted - counts.received; left > 0)
    spdlog::warn("a shipper ends with {} not acknowledged, of which {} in the spool", counted(left, "record"),
      has_spool ? counts.spooled - counts.received : 0);
  queue->fail({errc::shutting_down, "the program exits"});
  caf::anon_send_exit(ending, caf::exit_reason::user_shutdown);
}

} // namespace sluice

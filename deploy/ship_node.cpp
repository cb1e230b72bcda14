#include "deploy/ship_node.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "actors/source/pipe_reader.hpp"
#include "actors/spool/spool_slot.hpp"
#include "deploy/agent_state.hpp"
#include "messages/uuid.hpp"

namespace sluice {

namespace {

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

expected<void> add_sources(const ship_options& options, file_system& files, file_source_config& to) {
  to.follow = options.follow;
  to.multiline_timeout = options.multiline_timeout;
  to.joiner = options.joiner;
  to.overload = options.overload;
  to.labels = options.labels;
  if (auto added = add_host(to.labels); !added)
    return added;
  return find_sources(files, options, to);
}

/// What cannot be read again goes through a spool, and what is not to be read again.
spool_config make_spool_config(const ship_options& options, spool_slot slot) {
  spool_config made;
  made.folder = slot.folder;
  made.claim = slot.claim;
  made.opened = std::make_shared<std::unique_ptr<spool_log>>(std::move(slot.opened));
  made.limits = options.spool;
  made.takes_all = options.overload.policy == overload_policy::spill;
  if (options.overload.policy == overload_policy::drop_oldest)
    made.when_full = spool_overflow::drop_oldest;
  if (options.overload.policy == overload_policy::drop_newest)
    made.when_full = spool_overflow::drop_newest;
  made.give_up_after = options.first_answer_within;
  return made;
}

tl::unexpected<startup_error> cannot_start(const error& reason) {
  return tl::unexpected{startup_error{to_exit_code(reason.code), reason.message}};
}

/// All but the spool.
tl::expected<ship_pipeline_config, startup_error> prepare(actor_process& process, const ship_options& options) {
  auto& files = process.env().files;
  auto made = make_outlet(process, options);
  if (!made)
    return made;
  if (auto added = add_sources(options, files, made->source); !added)
    return cannot_start(added.error());
  if (!options.is_following)
    made->ship.give_up_after = options.first_answer_within;
  auto agent = load_agent(files, options.state);
  if (!agent)
    return tl::unexpected{startup_error{exit_code::cannot_create, agent.error().message}};
  made->source.producer = agent->producer;
  made->source.epoch = made->ship.epoch = agent->epoch;
  made->source.file_notes = options.state / "files";
  return made;
}

constexpr std::uint64_t max_batch_bytes = 16 * 1024 * 1024;

} // namespace

std::size_t usual_batch_bytes(const std::vector<endpoint>& to) {
  constexpr std::size_t for_datagrams = 64 * 1024;
  auto is_udp = [](const endpoint& x) { return x.scheme == "udp"; };
  return std::ranges::any_of(to, is_udp) ? for_datagrams : batch_limits{}.max_bytes;
}

expected<void> add_host(label_set& labels) {
  return labels.find("host") ? expected<void>{} : labels.set("host", host_name());
}

tl::expected<ship_pipeline_config, startup_error> make_outlet(actor_process& process, const ship_options& options) {
  ship_pipeline_config made;
  made.ship.to = options.to;
  made.ship.retry = options.retry;
  made.ship.request_timeout = options.request_timeout;
  made.ship.checkpoints = options.state / "checkpoints";
  made.batch = options.batch;
  made.how = options.how;
  made.transforms = options.transforms;
  auto tls = open_tls(process.tls(), options.tls, tls_side::client, options.to);
  if (!tls)
    return tl::unexpected{startup_error{exit_code::configuration, tls.error().message}};
  made.ship.link.tls = std::move(*tls);
  return made;
}

expected<std::size_t> parse_batch_bytes(std::string_view text) {
  constexpr std::uint64_t least = 1024;
  auto size = parse_size(text);
  if (size && (*size < least || *size > max_batch_bytes))
    return fail(errc::invalid_argument, fmt::format("'{}' is not between 1KiB and 16MiB", text));
  return size;
}

expected<std::uint64_t> parse_spool_bytes(std::string_view text) {
  auto size = parse_size(text);
  if (size && *size < 2 * max_batch_bytes)
    return fail(errc::invalid_argument, fmt::format("'{}' is too small for a spool; give 32MiB at least", text));
  return size;
}

expected<endpoint> parse_destination(std::string_view url) {
  auto to = parse_link_endpoint(url);
  if (to && to->port == 0)
    return fail(errc::invalid_argument, fmt::format("{}: nobody can listen on port 0", url));
  return to;
}

std::optional<startup_error> check_ship_node(actor_process& process, const ship_options& options) {
  if (auto prepared = prepare(process, options); !prepared)
    return prepared.error();
  return std::nullopt;
}

tl::expected<ship_node, startup_error> start_ship_node(actor_process& process, const ship_options& options) {
  auto& env = process.env();
  auto config = prepare(process, options);
  if (!config)
    return tl::unexpected{config.error()};
  ship_node made;
  made.has_spool = !config->source.pipes.empty() || options.overload.policy == overload_policy::spill;
  if (made.has_spool) {
    auto slot = take_spool_slot(env.files, options.state, options.spool, env.now());
    if (!slot)
      return cannot_start(slot.error());
    config->spool = make_spool_config(options, std::move(*slot));
    config->ship.give_up_after.reset();
  }
  made.abandoned = config->source.abandoned;
  made.pipeline = spawn_ship_pipeline(process.system(), env, std::move(*config));
  return made;
}

tl::expected<ship_pipeline_config, startup_error> make_relay(actor_process& process, const ship_options& options) {
  auto& env = process.env();
  if (auto folder = env.files.create_folders(options.state); !folder)
    return tl::unexpected{startup_error{exit_code::cannot_create, folder.error().message}};
  auto made = make_outlet(process, options);
  if (!made)
    return made;
  auto slot = take_spool_slot(env.files, options.state, options.spool, env.now());
  if (!slot)
    return cannot_start(slot.error());
  made->spool = make_spool_config(options, std::move(*slot));
  return made;
}

tl::expected<std::optional<ship_pipeline_config>, startup_error> make_left_relay(
  actor_process& process, const ship_options& options) {
  auto& env = process.env();
  auto slot = take_left_spool(env.files, options.state, options.spool, env.now());
  if (!slot)
    return cannot_start(slot.error());
  if (!*slot)
    return std::nullopt;
  auto made = make_outlet(process, options);
  if (!made)
    return tl::unexpected{made.error()};
  made->spool = make_spool_config(options, std::move(**slot));
  return std::move(*made);
}

} // namespace sluice

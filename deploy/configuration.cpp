#include "deploy/configuration.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "actors/spool/spool_slot.hpp"
#include "deploy/http_lane.hpp"
#include "deploy/operations.hpp"
#include "deploy/transform_configuration.hpp"
#include "transport/file_system.hpp"

namespace sluice {

namespace {

expected<std::string> parse_text(std::string_view text) {
  if (text.empty())
    return fail(errc::invalid_argument, "the value is empty");
  return std::string{text};
}

/// One of a few words.
auto parse_word(std::vector<std::string> known) {
  return [known = std::move(known)](std::string_view text) -> expected<std::string> {
    if (std::ranges::find(known, text) != known.end())
      return std::string{text};
    auto meant = suggest(text, known);
    return fail(errc::invalid_argument, meant.empty()
                                          ? fmt::format("'{}' is not one of {}", text, fmt::join(known, ", "))
                                          : fmt::format("'{}' is not known; did you mean '{}'?", text, meant));
  };
}

template <class T>
auto parse_number(std::uint64_t least, std::uint64_t most) {
  return [least, most](std::string_view text) {
    return parse_count(text, least, most).map([](std::uint64_t x) { return static_cast<T>(x); });
  };
}

expected<std::chrono::milliseconds> parse_period(std::string_view text) {
  auto period = parse_duration(text);
  if (period && period->count() == 0)
    return fail(errc::invalid_argument, fmt::format("'{}' is no time at all", text));
  return period;
}

expected<bool> parse_switch(std::string_view text) {
  if (text == "true" || text == "false")
    return text == "true";
  return fail(errc::invalid_argument, fmt::format("'{}' is neither true nor false", text));
}

expected<std::string> parse_include(std::string_view text) {
  if (text == "-")
    return fail(errc::invalid_argument, "standard input can only be shipped with 'sluice ship -'");
  return parse_text(text);
}

class configuration_maker {
public:
  configuration_maker(configuration_findings& found, configuration& made) : found_(found), made_(made) {}

  void read(const yaml_node& document) {
    section_reader top{found_, document, ""};
    top.section("node", [this](auto& in) { read_node(in); });
    top.section("ship", [this](auto& in) { read_ship(in); });
    top.section("sources", [this](auto& in) { read_sources(in); });
    top.section("store", [this](auto& in) { read_store(in); });
    top.section("receive", [this](auto& in) { read_receive(in); });
    top.section("http", [this](auto& in) { read_http(in); });
    top.refuse("cluster", "not available in this version of Sluice");
    top.finish();
    join(top);
  }

private:
  void read_http(section_reader& in) {
    in.require("listen", "missing: where to tell of the node, as 127.0.0.1:9600");
    in.value("listen", made_.operations, parse_operations_address);
    in.finish();
  }

  void read_node(section_reader& in) {
    in.value("data_dir", data_dir_, parse_text);
    in.value("log_level", made_.log_level, parse_word({"trace", "debug", "info", "warning", "error", "off"}));
    in.value("drain_timeout", made_.drain_timeout, parse_duration);
    in.finish();
  }

  void read_ship(section_reader& in) {
    in.list("to", ship_.to, parse_destination);
    ship_.batch.max_bytes = usual_batch_bytes(ship_.to);
    in.value("compression", ship_.how, parse_compression);
    in.section("batch", [this](auto& batch) {
      batch.value("max_bytes", ship_.batch.max_bytes, parse_batch_bytes);
      batch.value("max_events", ship_.batch.max_events, parse_number<std::uint32_t>(1, 1'000'000));
      batch.value("timeout", ship_.batch.timeout, parse_period);
      batch.finish();
    });
    in.section("buffer", [this](auto& buffer) { read_buffer(buffer); });
    in.section("retry", [this](auto& retry) {
      retry.value("initial_backoff", ship_.retry.initial, parse_period);
      retry.value("max_backoff", ship_.retry.max, parse_period);
      if (ship_.retry.max < ship_.retry.initial)
        retry.complain(retry.place_of("max_backoff"), retry.key_of("max_backoff"), "less than initial_backoff");
      std::string jitter;
      retry.value("jitter", jitter, parse_word({"full"}));
      retry.refuse("deadline", "not available: a node tries for ever");
      retry.finish();
    });
    in.value("request_timeout", ship_.request_timeout, parse_period);
    in.section("tls", [this](auto& tls) {
      read_certificate(tls, ship_.tls);
      tls.value("ca_file", ship_.tls.ca, parse_text);
      tls.value("verify_hostname", ship_.tls.verify_hostname, parse_switch);
      tls.finish();
    });
    in.finish();
  }

  static void read_certificate(section_reader& in, tls_files& to) {
    in.value("crt_file", to.cert, parse_text);
    in.value("key_file", to.key, parse_text);
    for (auto [given, missing] : {std::pair{"crt_file", "key_file"}, std::pair{"key_file", "crt_file"}})
      if (in.has(given) && !in.has(missing))
        in.complain(in.place_of(given), in.key_of(missing), "missing: a certificate and its key go together");
  }

  void read_buffer(section_reader& in) {
    std::string type = "memory";
    in.value("type", type, parse_word({"memory", "disk"}));
    auto& policy = ship_.overload.policy;
    in.value("when_full", policy, [](std::string text) -> expected<overload_policy> {
      auto known = parse_word({"block", "drop_newest", "drop_oldest", "shed", "spill"})(text);
      if (!known)
        return fail(known.error());
      std::ranges::replace(text, '_', '-');
      return parse_overload_policy(text);
    });
    if (type == "disk" && drops(policy))
      in.complain(in.place_of("when_full"), in.key_of("when_full"), "a buffer on disk can only block");
    if (type == "disk")
      policy = overload_policy::spill;
    if (policy == overload_policy::spill)
      in.value("max_size", ship_.spool.max_bytes, parse_spool_bytes);
    else
      in.value("max_size", ship_.overload.max_lag_bytes, parse_size);
    in.value("shed_severity", ship_.overload.least, parse_level);
    in.finish();
  }

  void read_sources(section_reader& in) {
    constexpr std::size_t most = 64;
    if (in.members().empty() || in.members().size() > most)
      in.complain(in.place(), "sources", fmt::format("there must be 1 to {} sources", most));
    for (auto& x : in.members()) {
      if (!is_source_name(x.key))
        in.complain(
          x.place, in.key_of(x.key), "the name of a source has 1 to 64 lower-case letters, digits, '_' and '-'");
      in.section(x.key, [this, &x](auto& source) { read_source(source, made_.sources[x.key]); });
    }
  }

  static bool is_source_name(std::string_view name) {
    constexpr std::size_t longest = 64;
    return !name.empty() && name.size() <= longest &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == name.npos;
  }

  void read_source(section_reader& in, ship_options& to) {
    to = ship_;
    to.is_following = true;
    in.require("include", "missing: the files or patterns to follow");
    in.list("include", to.sources, parse_include);
    in.section("labels", [&to](auto& labels) { read_labels(labels, to.labels); });
    read_transforms(in, to.transforms);
    in.section("multiline", [&to](auto& multiline) { read_multiline(multiline, to); });
    in.value("poll_interval", to.follow.poll_interval, parse_period);
    in.value("rotate_wait", to.follow.rotate_wait, parse_duration);
    in.finish();
  }

  static void read_multiline(section_reader& in, ship_options& to) {
    in.value("start", to.joiner, [](const std::string& text) { return line_joiner::by_start(text); });
    bool indent = false;
    in.value("indent", indent, parse_switch);
    if (indent && in.has("start"))
      in.complain(in.place_of("indent"), in.key_of("indent"), "give either this or start");
    else if (indent)
      to.joiner = line_joiner::by_indentation();
    else if (!in.has("start"))
      in.complain(in.place(), in.key_of("start"), "missing: this, or indent: true");
    in.value("timeout", to.multiline_timeout, parse_period);
    in.finish();
  }

  void read_store(section_reader& in) {
    auto& to = made_.receive.emplace().pipeline;
    in.require("path", "missing: the folder of the store");
    in.value("path", to.folder, parse_text);
    in.value("durability", to.store.durability, parse_durability);
    in.value("segment_bytes", to.store.segment_bytes, parse_segment_size);
    in.value("max_used_percent", to.store.max_used_percent, parse_number<unsigned>(10, 100));
    in.section("retention", [&to](auto& retention) {
      retention.value("age", to.store.retention.age, parse_period);
      retention.value("bytes", to.store.retention.bytes, parse_size);
      retention.finish();
    });
    in.finish();
  }

  void read_receive(section_reader& in) {
    auto& to = made_.receive ? *made_.receive : made_.receive.emplace();
    in.require("listen", "missing: URLs to listen on, as tcp://127.0.0.1:7070");
    in.list("listen", to.listen, parse_listen_address);
    for (auto x = to.listen.begin(); x != to.listen.end(); ++x)
      if (std::any_of(to.listen.begin(), x, [&x](auto& y) { return have_same_address(*x, y); }))
        in.complain(
          in.place_of("listen"), in.key_of("listen"), fmt::format("the address of {} is given twice", to_string(*x)));
    in.value("max_connections", to.pipeline.acceptor.max_connections, parse_number<std::size_t>(1, 1'000'000));
    in.value("max_message_bytes", to.ingest.max_message_bytes, parse_message_size);
    in.value("lines", to.ingest.lines, parse_line_form);
    in.value("http_token_file", to.http_token_file, parse_text);
    read_transforms(in, to.ingest.transforms);
    auto brings_records = [](auto& x) { return is_ingest_scheme(x.scheme) || is_http_scheme(x.scheme); };
    if (in.has("transforms") && !to.listen.empty() && std::ranges::none_of(to.listen, brings_records))
      in.complain(in.place_of("transforms"), in.key_of("transforms"), "what comes in frames is not taken apart");
    in.section("tls", [&to](auto& tls) {
      tls.require("crt_file", "missing: who accepts TLS needs a certificate");
      read_certificate(tls, to.tls);
      tls.value("client_ca_file", to.tls.client_ca, parse_text);
      tls.finish();
    });
    auto speaks_tls = std::ranges::any_of(to.listen, [](auto& x) { return is_tls_scheme(x.scheme); });
    if (in.has("tls") != speaks_tls)
      in.complain(in.place_of(speaks_tls ? "listen" : "tls"), in.key_of("tls"),
        speaks_tls ? "missing: certificate and key for what listens with TLS" : "nothing listens with TLS");
    in.finish();
  }

  /// What the sections need of each other.
  void join(section_reader& top) {
    auto demand = [&top](bool is_right, std::string_view name, std::string_view why) {
      if (top.has(name) && !is_right)
        top.complain(top.place_of(name), std::string{name}, std::string{why});
    };
    auto relays = top.has("receive") && top.has("ship") && !top.has("store");
    demand(top.has("store") || relays, "receive", "needs a store that keeps what is received, or ship to pass it on");
    demand(top.has("receive") || (top.has("sources") && !top.has("ship")), "store",
      "nothing comes in: receive, or sources that are not shipped elsewhere, are missing");
    demand(
      top.has("sources") || relays, "ship", "there is nothing to ship: neither sources nor receive without a store");
    demand(
      !ship_.to.empty() || top.has("store") || top.has("ship"), "sources", "neither ship nor store says where they go");
    demand(!top.has("ship") || found_.settings.contains("ship.to.1") || found_.settings.contains("ship.to"), "ship",
      "'to' is missing: URLs of receivers, as tcp://127.0.0.1:7070");
    demand(!data_dir_.empty(), "sources", "node.data_dir is missing: the folder that keeps how far they were read");
    demand(!relays || !data_dir_.empty(), "receive",
      "node.data_dir is missing: the folder that keeps what is to be shipped");
    demand(!relays || !drops(ship_.overload.policy), "ship",
      "what is received and passed on is never dropped: when_full can only be block or spill");
    auto is_same = [this](auto& x) { return have_same_address(x, *made_.operations); };
    if (made_.operations && made_.receive && std::ranges::any_of(made_.receive->listen, is_same))
      top.complain(top.place_of("http"), "http.listen", "receive.listen has this address, too; give another one");
    if (relays)
      relay(top);
    if (!top.has("sources") && !top.has("receive") && !top.has("store") && !top.has("ship"))
      top.complain(top.place(), "sources", "there is nothing to run: neither sources nor receive is given");
    for (auto& [name, source] : made_.sources) {
      source.state = data_dir_ / "sources" / name;
      if (source.to.empty())
        source.to.push_back(local_store());
    }
  }

  /// What comes in goes where the sources go.
  void relay(section_reader& top) {
    auto& to = made_.receive->relay.emplace(ship_);
    to.state = data_dir_ / "receive";
    constexpr auto most = spool_slot::max_listeners;
    if (made_.receive->listen.size() > most)
      top.complain(top.place_of("receive"), "receive.listen",
        fmt::format("without a store there can be {} listeners, for each needs a spool", most));
    for (auto& [key, setting] : found_.settings) {
      if (!key.starts_with("receive.listen"))
        continue;
      auto where = parse_listen_address(setting.text);
      if (where && takes_frames(*where))
        found_.problems.push_back({setting.place, key,
          fmt::format("needs a store: {}:// takes frames of other nodes, which are not passed on", where->scheme)});
    }
  }

  configuration_findings& found_;
  configuration& made_;
  std::filesystem::path data_dir_;
  ship_options ship_;
};

} // namespace

std::string to_line(const std::filesystem::path& file, const configuration_problem& x) {
  return fmt::format("{}:{}:{}: {}: {}", file.string(), x.place.line, x.place.column, x.key, x.message);
}

tl::expected<configuration, std::vector<configuration_problem>> read_configuration(const std::string& text) {
  using kind = yaml_node::kind_type;
  auto document = parse_yaml(text);
  if (!document)
    return tl::unexpected{std::vector{configuration_problem{document.error().place, "yaml", document.error().message}}};
  if (document->kind != kind::map)
    return tl::unexpected{std::vector{configuration_problem{document->place, "yaml",
      document->kind == kind::null ? "the file is empty" : "the file must consist of sections such as 'sources:'"}}};
  configuration_findings found;
  configuration made;
  configuration_maker{found, made}.read(*document);
  if (found.problems.empty()) {
    made.settings = std::move(found.settings);
    return made;
  }
  auto& problems = found.problems;
  std::ranges::sort(problems, {}, [](auto& x) { return std::tie(x.place, x.key); });
  if (problems.size() > max_configuration_problems) {
    auto more = problems.size() - max_configuration_problems;
    problems.resize(max_configuration_problems);
    problems.push_back({problems.back().place, "yaml", fmt::format("and {} more after this", more)});
  }
  return tl::unexpected{std::move(problems)};
}

tl::expected<configuration, std::vector<std::string>> load_configuration(
  file_system& files, const std::filesystem::path& file) {
  auto text = read_file(files, file, max_configuration_bytes);
  if (!text)
    return tl::unexpected{std::vector{to_line(file, {{}, "file", text.error().message})}};
  auto made = read_configuration(*text);
  if (made)
    return std::move(*made);
  std::vector<std::string> lines;
  for (auto& x : made.error())
    lines.push_back(to_line(file, x));
  return tl::unexpected{std::move(lines)};
}

} // namespace sluice

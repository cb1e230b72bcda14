#include <fmt/format.h>
#include <gmock/gmock.h>

#include "deploy/reload_plan.hpp"

namespace sluice {

namespace {

using namespace testing;

configuration read(const std::string& text) {
  auto made = read_configuration(text);
  EXPECT_TRUE(made) << text << "\n" << made.error().front().message;
  return made ? std::move(*made) : configuration{};
}

std::vector<std::string> names(const std::vector<endpoint>& listeners) {
  std::vector<std::string> made;
  for (auto& x : listeners)
    made.push_back(to_string(x));
  return made;
}

std::vector<std::string> names(const std::vector<std::pair<endpoint, endpoint>>& replaced) {
  std::vector<std::string> made;
  for (auto& [old, by] : replaced)
    made.push_back(to_string(old) + " > " + to_string(by));
  return made;
}

reload_plan plan(const std::string& present, const std::string& next) {
  auto made = plan_reload(read(present), read(next));
  EXPECT_TRUE(made) << made.error().front().key;
  return made.value_or(reload_plan{});
}

/// What needs a restart, as `LINE:COL: key`.
std::vector<std::string> refused(const std::string& present, const std::string& next) {
  auto made = plan_reload(read(present), read(next));
  std::vector<std::string> found;
  if (!made)
    for (auto& x : made.error())
      found.push_back(fmt::format("{}:{}: {}", x.place.line, x.place.column, x.key));
  return found;
}

constexpr auto nothing = "sources and listeners stay as they are";

constexpr auto agent = R"(
node: {data_dir: /data}
ship: {to: tcp://a:1}
sources:
  web: {include: /web}
  app: {include: /app}
)";

constexpr auto receiver = R"(
store: {path: /s}
receive:
  tls: {crt_file: c, key_file: k}
  http_token_file: t
  listen: [tcp://h:1, tls://h:2, syslog+udp://h:3, lines+tcp://h:4, http://h:5, https://h:6, syslog+tls://h:7]
)";

std::string with(std::string text, std::string_view what, std::string_view by) {
  auto at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return at == text.npos ? text : text.replace(at, what.size(), by);
}

} // namespace

TEST(reload_plan, the_same_changes_nothing) {
  EXPECT_EQ(to_string(plan(agent, std::string{"# moved\n\n"} + agent)), nothing);
  EXPECT_EQ(to_string(plan(receiver, receiver)), nothing);
}

TEST(reload_plan, a_section_without_keys_is_a_change) {
  auto next = with(agent, "include: /web", "include: /web, transforms: [parse_json: {}]");
  EXPECT_EQ(plan(agent, next).changed_sources, std::vector<std::string>{"web"});
  EXPECT_EQ(plan(next, agent).changed_sources, std::vector<std::string>{"web"});
  auto other = with(next, "parse_json", "parse_key_value");
  EXPECT_EQ(plan(next, other).changed_sources, std::vector<std::string>{"web"});
}

TEST(reload_plan, what_of_the_node_can_change_touches_nothing_else) {
  auto next = with(agent, "data_dir: /data", "data_dir: /data, log_level: debug, drain_timeout: 1s");
  EXPECT_EQ(to_string(plan(agent, next)), nothing);
}

TEST(reload_plan, sources_are_told_apart_by_name) {
  auto next = with(with(agent, "/web", "/web, labels: {a: b}"), "app: {", "api: {");
  auto made = plan(agent, next);
  EXPECT_THAT(made.changed_sources, ElementsAre("web"));
  EXPECT_THAT(made.added_sources, ElementsAre("api"));
  EXPECT_THAT(made.removed_sources, ElementsAre("app"));
  EXPECT_EQ(to_string(made), "1 source added, 1 source changed, 1 source removed");
}

TEST(reload_plan, a_name_that_begins_like_another_is_another) {
  auto longer = with(agent, "app: {", "web-2: {");
  EXPECT_THAT(plan(longer, with(longer, "/app", "/api")).changed_sources, ElementsAre("web-2"));
}

TEST(reload_plan, how_it_is_shipped_changes_all_sources) {
  EXPECT_THAT(plan(agent, with(agent, "tcp://a:1", "tcp://b:1")).changed_sources, ElementsAre("app", "web"));
  EXPECT_THAT(plan(agent, with(agent, "to: tcp://a:1", "to: tcp://a:1, compression: none")).changed_sources,
    ElementsAre("app", "web"));
}

TEST(reload_plan, listeners_come_and_go) {
  auto made = plan(receiver, with(receiver, "tcp://h:1,", "tcp://h:8,"));
  EXPECT_THAT(names(made.listeners.added), ElementsAre("tcp://h:8"));
  EXPECT_THAT(names(made.listeners.removed), ElementsAre("tcp://h:1"));
  EXPECT_THAT(made.listeners.replaced, IsEmpty());
}

TEST(reload_plan, a_listener_of_another_kind_takes_over_the_port) {
  auto made = plan(receiver, with(receiver, "lines+tcp://h:4", "syslog+tcp://h:4"));
  EXPECT_THAT(names(made.listeners.replaced), ElementsAre("lines+tcp://h:4 > syslog+tcp://h:4"));
  EXPECT_THAT(made.listeners.added, IsEmpty());
  EXPECT_THAT(made.listeners.removed, IsEmpty());
  made = plan(receiver, with(receiver, "lines+tcp://h:4", "lines+tcp://h:3"));
  EXPECT_THAT(names(made.listeners.added), ElementsAre("lines+tcp://h:3")) << "UDP has ports of its own";
}

TEST(reload_plan, only_those_are_replaced_that_a_change_is_about) {
  auto replaced_by = [](std::string_view what, std::string_view by) {
    return names(plan(receiver, with(receiver, what, by)).listeners.replaced);
  };
  EXPECT_THAT(replaced_by("crt_file: c", "crt_file: d"),
    ElementsAre("tls://h:2 > tls://h:2", "https://h:6 > https://h:6", "syslog+tls://h:7 > syslog+tls://h:7"));
  EXPECT_THAT(
    replaced_by("token_file: t", "token_file: u"), ElementsAre("http://h:5 > http://h:5", "https://h:6 > https://h:6"));
  EXPECT_THAT(replaced_by("receive:", "receive:\n  lines: json"), ElementsAre("lines+tcp://h:4 > lines+tcp://h:4"));
  EXPECT_THAT(replaced_by("receive:", "receive:\n  max_message_bytes: 1MiB"),
    ElementsAre("syslog+udp://h:3 > syslog+udp://h:3", "lines+tcp://h:4 > lines+tcp://h:4",
      "syslog+tls://h:7 > syslog+tls://h:7"));
}

TEST(reload_plan, listeners_on_any_port_are_counted) {
  auto one = "store: {path: s}\nreceive: {listen: [tcp://h:0]}";
  auto two = "store: {path: s}\nreceive: {listen: [tcp://h:0, tcp://h:0]}";
  EXPECT_EQ(to_string(plan(one, two)), "1 listener added");
  EXPECT_EQ(to_string(plan(two, one)), "1 listener removed");
}

TEST(reload_plan, what_needs_a_restart_is_refused_with_its_place) {
  EXPECT_THAT(refused(agent, with(agent, "/data", "/other")), ElementsAre("2:18: node.data_dir"));
  EXPECT_THAT(refused(receiver, with(receiver, "/s}", "/t, durability: os}")),
    ElementsAre("2:15: store.path", "2:31: store.durability"));
  EXPECT_THAT(refused(receiver, with(receiver, "receive:", "receive:\n  max_connections: 7")),
    ElementsAre("4:20: receive.max_connections"));
  // What is not there any more stood in a section that begins there.
  EXPECT_THAT(refused(with(receiver, "/s}", "/s, durability: os}"), receiver), ElementsAre("2:15: store.durability"));
}

TEST(reload_plan, receiving_begins_with_a_start) {
  auto next = std::string{agent} + "receive: {listen: http://h:1}\n";
  EXPECT_THAT(refused(agent, next), ElementsAre("7:19: receive"));
}

TEST(reload_plan, what_a_relay_ships_with_changes_its_listeners) {
  auto relay = std::string{agent} + "receive: {listen: http://h:1}\n";
  EXPECT_THAT(names(plan(relay, with(relay, "tcp://a:1", "tcp://b:1")).listeners.replaced),
    ElementsAre("http://h:1 > http://h:1"));
}

} // namespace sluice

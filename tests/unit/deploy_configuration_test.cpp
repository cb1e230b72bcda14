#include <fmt/format.h>
#include <gmock/gmock.h>

#include "deploy/configuration.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace std::chrono_literals;

/// All that is wrong, as `LINE:COL: key: message`.
std::vector<std::string> problems_of(const std::string& text) {
  auto made = read_configuration(text);
  std::vector<std::string> lines;
  if (!made)
    for (auto& x : made.error())
      lines.push_back(fmt::format("{}:{}: {}: {}", x.place.line, x.place.column, x.key, x.message));
  return lines;
}

constexpr auto agent = R"(
node: {data_dir: /data}
sources:
  web:
    include: [/a/*.log, /b.log]
    labels: {service: web}
    multiline: {indent: true}
ship:
  to: [tls://one:7071, tcp://two:7070]
  compression: zstd:3
  batch: {max_bytes: 64KiB, max_events: 10, timeout: 5s}
  buffer: {when_full: drop_oldest, max_size: 32MiB}
  retry: {initial_backoff: 2s, max_backoff: 1m}
  tls: {ca_file: ca.crt, verify_hostname: false}
)";

} // namespace

TEST(configuration, an_agent_is_read) {
  auto made = read_configuration(agent);
  ASSERT_TRUE(made) << problems_of(agent).front();
  ASSERT_EQ(made->sources.size(), 1);
  auto& web = made->sources.at("web");
  EXPECT_THAT(web.sources, ElementsAre("/a/*.log", "/b.log"));
  EXPECT_EQ(to_string(web.to.at(1)), "tcp://two:7070");
  EXPECT_EQ(*web.labels.find("service"), "web");
  EXPECT_TRUE(web.joiner);
  EXPECT_TRUE(web.is_following);
  EXPECT_EQ(web.batch.max_bytes, 64 * 1024);
  EXPECT_EQ(web.batch.max_events, 10);
  EXPECT_EQ(web.batch.timeout, 5s);
  EXPECT_EQ(web.overload.policy, overload_policy::drop_oldest);
  EXPECT_EQ(web.overload.max_lag_bytes, 32 * 1024 * 1024);
  EXPECT_EQ(web.retry.initial, 2s);
  EXPECT_EQ(web.retry.max, 60s);
  EXPECT_EQ(web.tls.ca, "ca.crt");
  EXPECT_FALSE(web.tls.verify_hostname);
  EXPECT_EQ(web.state, "/data/sources/web");
}

TEST(configuration, sources_without_ship_go_to_the_store) {
  auto made = read_configuration("node: {data_dir: /d}\nsources: {a: {include: /a}}\nstore: {path: /s}\n");
  ASSERT_TRUE(made);
  EXPECT_THAT(made->sources.at("a").to, ElementsAre(local_store()));
  EXPECT_EQ(made->receive->pipeline.folder, "/s");
}

TEST(configuration, what_is_received_without_a_store_is_passed_on) {
  auto made = read_configuration("node: {data_dir: /d}\nreceive: {listen: http://h:1}\nship: {to: tcp://a:1}\n");
  ASSERT_TRUE(made);
  ASSERT_TRUE(made->receive && made->receive->relay);
  EXPECT_EQ(to_string(made->receive->relay->to.at(0)), "tcp://a:1");
  EXPECT_EQ(made->receive->relay->state, "/d/receive");
  made = read_configuration("store: {path: /s}\nreceive: {listen: http://h:1}\n");
  EXPECT_FALSE(made->receive->relay);
}

TEST(configuration, every_error_is_told_with_its_place_and_what_was_meant) {
  EXPECT_THAT(
    problems_of("receive:\n  lisen: tcp://h:1\n  max_message_bytes: 1\nstore:\n  path: /s\n  durabilty: os\n"),
    ElementsAre(AllOf(StartsWith("2:3: receive.lisen: "), HasSubstr("did you mean 'listen'?")),
      StartsWith("2:3: receive.listen: missing"),
      AllOf(StartsWith("3:22: receive.max_message_bytes: "), HasSubstr("1KiB to 8MiB")),
      AllOf(StartsWith("6:3: store.durabilty: "), HasSubstr("did you mean 'durability'?"))));
}

TEST(configuration, each_mistake_has_a_place_and_a_reason) {
  struct mistake {
    std::string text, place, says;
  };
  const std::string store = "store: {path: /s}\n", receive = "receive: {listen: tcp://h:1}\n";
  for (auto& x : std::vector<mistake>{
         {"", "1:1: yaml: ", "empty"},
         {"a", "1:1: yaml: ", "sections"},
         {"a: [", "1:", "yaml: "},
         {store + receive + "store: {path: /t}\n", "3:1: store: ", "twice"},
         {store + "receive:\n\tlisten: tcp://h:1\n", "3:1: yaml: ", "tab"},
         {store + receive + "node: &x {log_level: info}\n", "3:7: yaml: ", "anchors"},
         {store + receive + "cluster: {}\n", "3:1: cluster: ", "not available"},
         {store + receive + "http: {}\n", "3:7: http.listen: ", "missing"},
         {store + receive + "http: {listen: nowhere}\n", "3:16: http.listen: ", "no address"},
         {store + receive + "---\na: b\n", "4:", "second document"},
         {receive, "1:1: receive: ", "needs a store"},
         {receive + "ship: {to: tcp://h:2}\n", "1:1: receive: ", "data_dir"},
         {"node: {data_dir: /d}\nreceive: {listen: [http://h:1, tls://h:2]}\nship: {to: tcp://h:3}\n",
           "2:32: receive.listen.2: ", "needs a store"},
         {"node: {data_dir: /d}\nreceive: {listen: http://h:1}\nship: {to: tcp://h:3, buffer: {when_full: shed}}\n",
           "3:1: ship: ", "never dropped"},
         {store, "1:1: store: ", "nothing comes in"},
         {store + "receive: {listen: []}\n", "2:19: receive.listen: ", "empty"},
         {store + "receive: {listen: kafka://h:1}\n", "2:19: receive.listen: ", "there are tcp, tls, udp, syslog+tcp"},
         {store + "receive: {listen: syslog://h}\n", "2:19: receive.listen: ", "unknown scheme 'syslog'"},
         {store + "receive: {listen: htp://h}\n", "2:19: receive.listen: ", "did you mean 'http'?"},
         {store + "receive: {listen: [tcp://h:1, tcp://h:1]}\n", "2:11: receive.listen: ", "twice"},
         {store + "receive: {listen: [tcp://h:1, http://h:1]}\n", "2:11: receive.listen: ", "twice"},
         {store + "receive: {listen: tcp://h:1}\nhttp: {listen: 'h:1'}\n", "3:1: http.listen: ", "this address"},
         {store + "receive: {listen: tls://h:1}\n", "2:11: receive.tls: ", "missing"},
         {store + "receive: {listen: tcp://h:1, tls: {crt_file: c, key_file: k}}\n",
           "2:30: receive.tls: ", "nothing listens"},
         {store + "receive: {listen: tls://h:1, tls: {crt_file: c}}\n", "2:36: receive.tls.key_file: ", "go together"},
         {store + "receive: tcp\n", "2:10: receive: ", "section"},
         {"sources: {a: {include: /a}}\nship: {to: tcp://h:1}\n", "1:1: sources: ", "data_dir"},
         {"node: {data_dir: /d}\nsources: {a: {include: /a}}\n", "2:1: sources: ", "neither ship nor store"},
         {"node: {data_dir: /d}\nsources: {A: {include: /a}}\n" + store, "2:11: sources.A: ", "lower-case"},
         {"node: {data_dir: /d}\nsources: {a: {include: -}}\n" + store, "2:24: sources.a.include: ", "sluice ship -"},
         {"node: {data_dir: /d}\nsources: {a: {include: /a, multiline: {start: '('}}}\n" + store,
           "2:47: sources.a.multiline.start: ", ")"},
         {"node: {data_dir: /d}\nsources: {a: {include: /a}}\nship: {to: tcp://h:1, tls: {verify_hostname: maybe}}\n",
           "3:46: ship.tls.verify_hostname: ", "neither true nor false"},
       }) {
    auto found = problems_of(x.text);
    EXPECT_THAT(found, Contains(AllOf(StartsWith(x.place), HasSubstr(x.says)))) << x.text;
  }
}

TEST(configuration, hostile_files_are_refused_and_not_swallowed) {
  EXPECT_THAT(problems_of(std::string(100, '[')), SizeIs(1));
  EXPECT_THAT(problems_of("a: \xff"), ElementsAre(HasSubstr("UTF-8")));
  std::string many = "receive:\n";
  for (int i = 0; i < 1'000; ++i)
    many += fmt::format("  key{}: 1\n", i);
  EXPECT_THAT(problems_of(many), SizeIs(max_configuration_problems + 1));
  std::string too_many = "a: [";
  for (std::size_t i = 0; i < max_yaml_nodes; ++i)
    too_many += "1,";
  EXPECT_THAT(problems_of(too_many + "]"), ElementsAre(HasSubstr("more than 20000 values")));
}

} // namespace sluice

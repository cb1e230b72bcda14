#include <gmock/gmock.h>
#include <snappy.h>

#include "loki_push.pb.h"
#include "messages/ingest/http_ingest.hpp"
#include "otlp_logs.pb.h"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace sluice::test;

http_head head(std::string method, std::string path, std::string type = {}) {
  http_head made;
  made.method = std::move(method);
  made.path = std::move(path);
  made.content_type = std::move(type);
  return made;
}

constexpr auto json_type = "application/json";
constexpr auto protobuf_type = "application/x-protobuf";

struct ingest_http_test : Test {
  /// As a server does.
  http_answer ask(http_head with, std::string_view body = {}) {
    if (auto answer = endpoints.answer_at_once(with))
      return *answer;
    http_request request{std::move(with), {}};
    request.body.append(as_bytes(body));
    return endpoints.read(request, received, taken.take()).answer;
  }

  http_answer post(std::string path, std::string type, std::string_view body) {
    return ask(head("POST", std::move(path), std::move(type)), body);
  }

  http_ingest endpoints;
  taken_records taken;
};

auto has_field(const std::string& name, const std::string& value) {
  return Field(&http_answer::fields, Contains(Pair(name, value)));
}

} // namespace

TEST_F(ingest_http_test, reads_plain_bodies_by_their_type) {
  for (std::string path : {"/", "/ingest"})
    for (std::string type : {"", "text/plain; charset=utf-8", "application/x-www-form-urlencoded"})
      EXPECT_EQ(post(path, type, "a\n{\"n\":1}\n").body, R"({"records":2,"unparsed":0})");
  taken.all.clear();
  for (std::string type :
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/X-JSONLINES"})
    EXPECT_EQ(post("/ingest", type, "a\n{\"n\":1}\n").body, R"({"records":2,"unparsed":1})");
  taken.all.clear();
  EXPECT_EQ(post("/ingest", "Application/JSON;charset=utf-8", R"([{"n":1}, 2])").status, 200u);
  EXPECT_THAT(taken.bodies(), ElementsAre(R"({"n":1})", "2"));
}

TEST_F(ingest_http_test, takes_json_apart_if_it_is_asked_to) {
  auto with = head("POST", "/ingest", json_type);
  with.query = "x=y&fields=auto";
  EXPECT_EQ(ask(with, R"({"message":"one","level":"error","n":1})").status, 200u);
  ASSERT_THAT(taken.bodies(), ElementsAre("one"));
  EXPECT_EQ(taken.all[0].level, severity::error);
}

TEST_F(ingest_http_test, inflates_bodies) {
  std::string packed;
  snappy::Compress("one\n", 4, &packed);
  auto with = head("POST", "/ingest");
  with.content_encoding = "snappy";
  EXPECT_EQ(ask(with, packed).status, 200u);
  EXPECT_THAT(taken.bodies(), ElementsAre("one"));
  EXPECT_EQ(ask(with, "\xff\xff\xff").status, 400u);
  with.content_encoding = "br";
  EXPECT_EQ(ask(with, "x").status, 415u);
}

TEST_F(ingest_http_test, inflates_no_further_than_it_may) {
  endpoints = http_ingest{{.bearer_token = {}, .max_body_bytes = 10}};
  std::string packed;
  snappy::Compress("0123456789\n", 11, &packed);
  auto with = head("POST", "/ingest");
  with.content_encoding = "snappy";
  EXPECT_EQ(ask(with, packed).status, 413u);
  EXPECT_TRUE(taken.all.empty());
}

// Clients do not agree on whether a body that is always in a snappy block has to say so.
TEST_F(ingest_http_test, takes_a_push_of_loki_in_protobuf_with_and_without_its_coding) {
  loki::Entry entry;
  entry.set_line("one");
  auto field = [](int number, const std::string& bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
  };
  auto push = field(1, field(1, R"({app="shop"})") + field(2, entry.SerializeAsString()));
  std::string packed;
  snappy::Compress(push.data(), push.size(), &packed);
  for (std::string coding : {"", "snappy"}) {
    auto with = head("POST", "/loki/api/v1/push", protobuf_type);
    with.content_encoding = coding;
    EXPECT_EQ(ask(with, packed).status, 204u);
  }
  EXPECT_THAT(taken.bodies(), ElementsAre("one", "one"));
}

TEST_F(ingest_http_test, reads_bulk_into_the_index_of_the_path) {
  auto answer = post("/%3Clogs-%7Bnow%7D%3E/_bulk", json_type, "{\"create\":{}}\n{}\n");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_THAT(answer, has_field("X-Elastic-Product", "Elasticsearch"));
  ASSERT_EQ(taken.all.size(), 1u);
  EXPECT_THAT(taken.all[0].attributes, ElementsAre(Pair("index", "<logs-{now}>")));
  EXPECT_EQ(ask(head("PUT", "/_bulk"), "{\"index\":{\"_index\":\"a\"}}\n{}\n").status, 200u);
  auto broken = ask(head("POST", "/_bulk"), "{}\n");
  EXPECT_EQ(broken.status, 400u);
  EXPECT_THAT(broken.body, StartsWith(R"({"error":{"type":"illegal_argument_exception","reason":)"));
}

TEST_F(ingest_http_test, refuses_an_index_of_the_path_that_is_too_long_by_the_head) {
  EXPECT_FALSE(endpoints.answer_at_once(head("POST", "/" + std::string(255, 'x') + "/_bulk")));
  EXPECT_EQ(endpoints.answer_at_once(head("POST", "/" + std::string(256, 'x') + "/_bulk"))->status, 400u);
}

TEST_F(ingest_http_test, answers_what_clients_ask_before_they_send) {
  for (std::string method : {"GET", "HEAD"})
    for (std::string path : {"/", "/_license", "/_cluster/health", "/_cat/health"}) {
      auto answer = ask(head(method, path));
      EXPECT_EQ(answer.status, 200u) << path;
      EXPECT_THAT(answer, has_field("X-Elastic-Product", "Elasticsearch"));
    }
  EXPECT_EQ(ask(head("GET", "/ready")).body, "ready\n");
}

TEST_F(ingest_http_test, refuses_what_is_not_there_and_says_what_is) {
  EXPECT_EQ(ask(head("POST", "/nothing")).status, 404u);
  EXPECT_EQ(ask(head("GET", "/_ilm/policy")).status, 404u);
  EXPECT_THAT(ask(head("GET", "/ingest")), AllOf(Field(&http_answer::status, 405u), has_field("Allow", "POST")));
  EXPECT_THAT(
    ask(head("DELETE", "/")), AllOf(Field(&http_answer::status, 405u), has_field("Allow", "GET, HEAD, POST")));
  EXPECT_THAT(ask(head("POST", "/ready")), has_field("Allow", "GET, HEAD"));
  EXPECT_THAT(ask(head("GET", "/_bulk")), has_field("Allow", "POST, PUT"));
  for (std::string path : {"/ingest", "/loki/api/v1/push", "/v1/logs"})
    EXPECT_EQ(post(path, "image/png", "x").status, 415u);
}

TEST_F(ingest_http_test, answers_opentelemetry_in_its_own_encoding) {
  auto refused = post("/v1/logs", json_type, "no json");
  EXPECT_EQ(refused.status, 400u);
  EXPECT_EQ(refused.content_type, json_type);
  EXPECT_THAT(refused.body, StartsWith(R"({"message":)"));
  refused = post("/v1/logs", protobuf_type, "\xff");
  EXPECT_EQ(refused.status, 400u);
  EXPECT_EQ(refused.content_type, protobuf_type);
  otlp::Status status;
  EXPECT_TRUE(status.ParseFromString(refused.body));
  EXPECT_THAT(status.message(), Not(IsEmpty()));
  EXPECT_EQ(post("/v1/logs", json_type, R"({"resourceLogs":[]})").body, "{}");
}

TEST_F(ingest_http_test, asks_for_the_token) {
  endpoints = http_ingest{{.bearer_token = "secret"}};
  auto with = head("POST", "/ingest");
  for (std::string given : {"", "secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Bearer secretsecret",
         "Basic secret", "Basic dTpzZWNyZXQ", "Basic dTpzZWNyZXRz"}) {
    with.authorization = given;
    auto allowed = given == "Basic dTpzZWNyZXQ"; // padding is optional
    EXPECT_EQ(ask(with, "x").status, allowed ? 200u : 401u) << given;
  }
  for (std::string given : {"Bearer secret", "bearer secret", "Basic dTpzZWNyZXQ="}) {
    with.authorization = given;
    EXPECT_EQ(ask(with, "x").status, 200u) << given;
  }
  EXPECT_THAT(ask(head("GET", "/")), AllOf(Field(&http_answer::status, 401u), has_field("WWW-Authenticate", "Bearer")));
}

// What many records have in common is said once in a request, and stored with each.
TEST_F(ingest_http_test, refuses_a_request_whose_records_would_take_many_times_its_size) {
  std::string logs = R"({"resourceLogs":[{"resource":{"attributes":[{"key":"k","value":{"stringValue":")" +
                     std::string(60'000, 'x') + R"("}}]},"scopeLogs":[{"logRecords":[{})";
  for (auto i = 0; i < 2000; ++i)
    logs += ",{}";
  EXPECT_EQ(post("/v1/logs", json_type, logs + "]}]}]}").status, 413u);
  EXPECT_TRUE(taken.all.empty());
}

} // namespace sluice

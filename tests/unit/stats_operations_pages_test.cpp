#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/stats/metrics.hpp"
#include "actors/stats/operations_pages.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_node.hpp"

namespace sluice::test {

namespace {

using testing::HasSubstr;

class stats_operations_pages : public testing::Test {
protected:
  http_answer get(std::string path, std::string method = "GET") {
    http_head head;
    head.method = std::move(method);
    head.path = std::move(path);
    return pages_.on_head(head).value();
  }

  void set_accepting(int value) {
    process_.system().metrics().gauge_singleton("sluice", "storage-accepting", "")->value(value);
  }

  sim_world world_{1};
  sim_file_system files_{1};
  sim_process process_{world_, "host", files_, 1};
  operations_pages pages_{process_.system()};
};

} // namespace

TEST_F(stats_operations_pages, show_metrics_as_prometheus_reads_them) {
  component_metrics one{process_.system(), "one"};
  one.received(11, 1100);
  one.discarded("socket_buffer", 2);
  auto page = get("/metrics");
  EXPECT_EQ(page.status, 200u);
  EXPECT_THAT(page.content_type, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(page.body, HasSubstr("\n# TYPE component_received_events_total counter\n"));
  EXPECT_THAT(page.body, HasSubstr("\ncomponent_received_events_total{component_id=\"one\"} 11 "));
  EXPECT_THAT(
    page.body, HasSubstr("\ncomponent_discarded_events_total{component_id=\"one\",reason=\"socket_buffer\"} 2 "));
}

TEST_F(stats_operations_pages, say_that_a_node_without_a_store_is_ready) {
  EXPECT_EQ(get("/health").status, 200u);
  EXPECT_EQ(get("/ready").status, 200u);
}

TEST_F(stats_operations_pages, say_that_a_node_with_a_full_store_is_alive_and_not_ready) {
  set_accepting(0);
  EXPECT_EQ(get("/health").status, 200u);
  EXPECT_EQ(get("/ready").status, 503u);
  set_accepting(1);
  EXPECT_EQ(get("/ready").status, 200u);
}

TEST_F(stats_operations_pages, refuse_what_is_not_there) {
  EXPECT_EQ(get("/").status, 404u);
  auto refused = get("/metrics", "POST");
  EXPECT_EQ(refused.status, 405u);
  EXPECT_THAT(refused.fields, testing::ElementsAre(testing::Pair("Allow", "GET, HEAD")));
}

} // namespace sluice::test

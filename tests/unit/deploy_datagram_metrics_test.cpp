#include "actors/stats/stats_aggregator.hpp"
#include "deploy/process.hpp"
#include "tests/unit/transport_support.hpp"

namespace sluice::test {
namespace {

TEST(datagram_metrics_test, a_process_publishes_what_its_links_count) {
  actor_process process;
  auto& net = process.env().net;
  accepted_links accepted;
  auto made = net.listen({"udp", "127.0.0.1", 0}, link_options{}, accepted.handler());
  ASSERT_TRUE(made) << made.error().message;
  auto client = std::make_shared<recorder>(), server = std::make_shared<recorder>();
  auto near = net.connect((*made)->local(), {});
  near->start(client);
  auto far = accepted.take();
  ASSERT_TRUE(far);
  far->start(server);
  ASSERT_TRUE(client->await_open());
  auto metrics = take_snapshot(process.system(), process.env().now());
  auto datagrams = [&](std::string direction) {
    return total(metrics, "sluice_udp_datagrams_total", {{"direction", std::move(direction)}});
  };
  EXPECT_GE(datagrams("in"), 4) << "open, token, and the prefaces both ways";
  EXPECT_GE(datagrams("out"), 4);
  EXPECT_EQ(total(metrics, "sluice_udp_invalid_total"), 0);
}

} // namespace
} // namespace sluice::test

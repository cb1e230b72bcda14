#include <gtest/gtest.h>

#include "deploy/configuration.hpp"

namespace sluice::test {
namespace {

std::size_t batch_bytes(const std::string& ship) {
  auto made = read_configuration("node: {data_dir: /d}\nsources: {web: {include: [/a]}}\nship: {" + ship + "}\n");
  return made ? made->sources.at("web").batch.max_bytes : 0;
}

TEST(batch_test, a_usual_one_fits_a_datagram_where_it_goes_over_udp) {
  constexpr std::size_t kib = 1024;
  EXPECT_EQ(batch_bytes("to: [\"tcp://h:1\"]"), 1024 * kib);
  EXPECT_EQ(batch_bytes("to: [\"udp://h:1\"]"), 64 * kib);
  EXPECT_EQ(batch_bytes("to: [\"tcp://h:1\", \"udp://h:1\"]"), 64 * kib);
  EXPECT_EQ(batch_bytes("to: [\"udp://h:1\"], batch: {max_bytes: 512KiB}"), 512 * kib);
  EXPECT_EQ(batch_bytes("batch: {max_bytes: 512KiB}, to: [\"udp://h:1\"]"), 512 * kib);
}

} // namespace
} // namespace sluice::test

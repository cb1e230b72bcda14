#include <random>

#include <gtest/gtest.h>

#include "actors/shipper/failover.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

class shipper_failover : public testing::Test {
protected:
  std::uint16_t port() { return tested_.current().port; }
  std::chrono::milliseconds fail(errc reason = errc::unreachable) { return tested_.next(random_, reason); }
  std::mt19937_64 random_{1};
  failover tested_{{{"tcp", "a", 1}, {"tcp", "b", 2}, {"tcp", "c", 3}}, {.initial = 1h, .max = 100h}};
};

} // namespace

TEST_F(shipper_failover, tries_all_at_once_and_then_pauses) {
  EXPECT_EQ(port(), 1);
  EXPECT_EQ(fail(), 0ms);
  EXPECT_EQ(port(), 2);
  EXPECT_EQ(fail(), 0ms);
  EXPECT_EQ(port(), 3);
  EXPECT_GT(fail(), 0ms);
  EXPECT_EQ(port(), 1);
  EXPECT_EQ(fail(), 0ms);
}

TEST_F(shipper_failover, begins_a_round_where_it_worked_last) {
  fail();
  tested_.succeeded();
  EXPECT_EQ(port(), 2);
  EXPECT_EQ(fail(), 0ms);
  EXPECT_EQ(fail(), 0ms);
  EXPECT_EQ(port(), 1);
  EXPECT_GT(fail(), 0ms);
  EXPECT_EQ(port(), 2);
}

TEST_F(shipper_failover, pauses_not_long_after_a_receiver_that_is_full) {
  for (auto reason : {errc::storage_full, errc::overloaded})
    for (auto i = 0; i < 300; ++i)
      EXPECT_LE(fail(reason), 5s);
}

TEST_F(shipper_failover, pauses_longer_and_longer_until_something_works) {
  auto longest = 0ms;
  for (auto i = 0; i < 300; ++i)
    longest = std::max(longest, fail());
  EXPECT_GT(longest, 50h);
  tested_.succeeded();
  for (auto i = 0; i < 3; ++i)
    EXPECT_LE(fail(), 1h);
}

} // namespace sluice::test

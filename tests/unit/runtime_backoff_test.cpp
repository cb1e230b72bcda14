#include <gtest/gtest.h>

#include "actors/runtime/backoff.hpp"

namespace sluice::test {

using namespace std::chrono_literals;

TEST(runtime_backoff, doubles_its_ceiling_up_to_the_maximum_and_fills_all_below_it) {
  std::mt19937_64 random{1};
  for (auto [attempt, ceiling] : {std::pair{1, 1000ms}, {2, 2000ms}, {3, 4000ms}, {4, 5000ms}, {9, 5000ms}}) {
    std::chrono::milliseconds low = 1h, high = 0ms;
    for (auto i = 0; i < 2000; ++i) {
      backoff tested{{.initial = 1000ms, .max = 5000ms}};
      auto delay = 0ms;
      for (auto j = 0; j < attempt; ++j)
        delay = tested.next(random);
      low = std::min(low, delay);
      high = std::max(high, delay);
    }
    EXPECT_LE(high, ceiling);
    EXPECT_GT(high, ceiling * 9 / 10);
    EXPECT_LT(low, ceiling / 10);
  }
}

TEST(runtime_backoff, begins_again_after_a_success) {
  std::mt19937_64 random{1};
  backoff tested{{.initial = 10ms, .max = 10'000ms}};
  for (auto i = 0; i < 20; ++i)
    tested.next(random);
  tested.reset();
  EXPECT_LE(tested.next(random), 10ms);
}

} // namespace sluice::test

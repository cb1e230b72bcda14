#include <random>
#include <set>

#include <gtest/gtest.h>

#include "actors/source/skipped_ranges.hpp"

namespace sluice {

TEST(skipped_ranges, count_until_they_are_acknowledged) {
  skipped_ranges ranges;
  ranges.add(10, 20);
  ranges.add(20, 30);
  ranges.add(40, 50);
  EXPECT_EQ(ranges.bytes(), 30);
  EXPECT_EQ(ranges.count(), 2) << "those that join are one";
  ranges.limit(15, 50);
  EXPECT_EQ(ranges.bytes(), 25);
  ranges.limit(30, 50);
  EXPECT_EQ(ranges.bytes(), 10);
  EXPECT_EQ(ranges.count(), 1);
  ranges.limit(50, 50);
  EXPECT_EQ(ranges.bytes(), 0);
  EXPECT_EQ(ranges.count(), 0);
}

TEST(skipped_ranges, what_comes_again_was_not_skipped) {
  skipped_ranges ranges;
  ranges.add(10, 20);
  ranges.add(30, 40);
  ranges.limit(0, 35);
  EXPECT_EQ(ranges.bytes(), 15);
  ranges.limit(0, 30);
  EXPECT_EQ(ranges.bytes(), 10);
  EXPECT_EQ(ranges.count(), 1);
  ranges.limit(5, 5);
  EXPECT_EQ(ranges.count(), 0);
}

TEST(skipped_ranges, are_what_a_set_of_positions_is) {
  constexpr std::uint64_t seed = 20261123;
  std::mt19937_64 random{seed};
  skipped_ranges ranges;
  std::set<std::uint64_t> model;
  std::uint64_t acked = 0, position = 0;
  for (int i = 0; i < 5'000; ++i) {
    if (random() % 2 == 0) {
      auto begin = position + random() % 3;
      position = begin + 1 + random() % 5;
      ranges.add(begin, position);
      for (auto at = begin; at < position; ++at)
        model.insert(at);
    } else if (random() % 8 == 0) {
      position = acked + random() % (position - acked + 1);
      ranges.limit(acked, position);
      model.erase(model.lower_bound(position), model.end());
    } else {
      acked += random() % (position - acked + 1);
      ranges.limit(acked, position);
      model.erase(model.begin(), model.lower_bound(acked));
    }
    ASSERT_EQ(ranges.bytes(), model.size()) << "seed " << seed << ", step " << i;
  }
}

} // namespace sluice

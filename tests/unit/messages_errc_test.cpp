#include <set>

#include <gtest/gtest.h>

#include "messages/errc.hpp"

namespace sluice {

TEST(errc, has_stable_numbers) {
  EXPECT_EQ(static_cast<int>(errc::truncated), 1);
  EXPECT_EQ(static_cast<int>(errc::malformed), 6);
  EXPECT_EQ(static_cast<int>(errc::foreign_protocol), 10);
  EXPECT_EQ(static_cast<int>(errc::storage_full), 16);
  EXPECT_EQ(static_cast<int>(errc::is_a_directory), 25);
  EXPECT_EQ(static_cast<int>(errc::overloaded), 26);
  EXPECT_EQ(static_cast<int>(errc::actor_failed), 27);
  EXPECT_EQ(static_cast<int>(errc::untrusted), 28);
}

TEST(errc, names_every_code_differently) {
  constexpr auto last = static_cast<std::uint16_t>(errc::untrusted);
  std::set<std::string_view> names;
  for (std::uint16_t code = 0; code <= last; ++code)
    names.insert(to_string(errc{code}));
  EXPECT_EQ(names.size(), last + 1u);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(to_string(errc::sequence_gap), "sequence_gap");
}

TEST(errc, tolerates_a_number_from_a_newer_peer) {
  EXPECT_EQ(to_string(errc{60000}), "unknown");
}

} // namespace sluice

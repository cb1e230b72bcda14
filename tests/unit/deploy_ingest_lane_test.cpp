#include <cstdlib>
#include <ctime>

#include <gmock/gmock.h>

#include "deploy/ingest_lane.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace std::chrono;
using namespace std::chrono_literals;

constexpr auto summer = sys_days{2026y / 7 / 1}, winter = sys_days{2026y / 12 / 1};

/// On a machine in Germany.
struct host_zone_test : Test {
  void SetUp() override { set("CET-1CEST,M3.5.0,M10.5.0/3"); }

  void TearDown() override { set(before_); }

  static void set(std::optional<std::string> zone) {
    if (zone)
      ::setenv("TZ", zone->c_str(), 1);
    else
      ::unsetenv("TZ");
    ::tzset();
  }

  static std::optional<std::string> present() {
    auto* zone = std::getenv("TZ");
    return zone ? std::optional<std::string>{zone} : std::nullopt;
  }

  std::optional<std::string> before_ = present();
};

} // namespace

TEST_F(host_zone_test, is_that_of_the_season_of_the_local_time_whatever_season_it_is) {
  for (auto now : {summer, winter}) {
    EXPECT_EQ(host_utc_offset(local_days{2026y / 7 / 1} + 12h, now), 2h);
    EXPECT_EQ(host_utc_offset(local_days{2026y / 12 / 1} + 12h, now), 1h);
    EXPECT_EQ(host_utc_offset(local_days{2026y / 3 / 29} + 1h + 59min, now), 1h);
    EXPECT_EQ(host_utc_offset(local_days{2026y / 3 / 29} + 3h, now), 2h);
    EXPECT_EQ(host_utc_offset(local_days{2026y / 10 / 25} + 1h + 59min, now), 2h);
    EXPECT_EQ(host_utc_offset(local_days{2026y / 10 / 25} + 3h, now), 1h);
  }
}

TEST_F(host_zone_test, is_that_of_the_present_season_where_a_local_time_comes_twice) {
  EXPECT_EQ(host_utc_offset(local_days{2026y / 10 / 25} + 2h + 30min, summer), 2h);
  EXPECT_EQ(host_utc_offset(local_days{2026y / 10 / 25} + 2h + 30min, winter), 1h);
}

} // namespace sluice

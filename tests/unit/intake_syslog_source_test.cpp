#include <gmock/gmock.h>

#include "actors/intake/syslog_source.hpp"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace sluice::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

struct syslog_source_test : Test {
  void feed(peer_id peer, std::string_view bytes) { source.feed(peer, bytes, received, taken.take()); }
  void datagram(std::string_view message) { source.datagram(message, received, taken.take()); }

  taken_records taken;
  syslog_source source{{.max_message_bytes = 1000, .max_held_bytes = 4000}, [](auto) { return 0s; }};
};

} // namespace

TEST_F(syslog_source_test, only_the_last_piece_of_a_cut_message_loses_its_trailer) {
  auto first = std::string(998, 'x') + "\r\n", second = std::string(999, 'y') + '\0';
  feed(1, "2002 <1>"s + first.substr(3) + second + "z\n");
  EXPECT_THAT(taken.bodies(), ElementsAre(first.substr(3), second, "z"));
}

TEST_F(syslog_source_test, long_datagrams_are_cut_and_counted_once) {
  datagram("<1>" + std::string(997, 'x'));
  EXPECT_EQ(source.take_counts().too_large, 0u);
  datagram("<1>" + std::string(1997, 'y') + "z\n");
  EXPECT_THAT(taken.bodies(), ElementsAre(std::string(997, 'x'), std::string(997, 'y'), std::string(1000, 'y'), "z"));
  EXPECT_EQ(source.take_counts().too_large, 1u);
}

TEST_F(syslog_source_test, what_all_peers_have_not_completed_is_bounded) {
  for (peer_id peer = 1; peer <= 100; ++peer)
    feed(peer, "<1>" + std::string(500, 'x'));
  auto cut = source.take_counts().too_large;
  EXPECT_GE(cut, 93u);
  EXPECT_LT(cut, 100u);
  EXPECT_EQ(taken.all.size(), cut);
  EXPECT_EQ(taken.bodies().back(), std::string(500, 'x'));
  feed(100, "rest\n");
  EXPECT_EQ(taken.bodies().back(), "rest");
}

TEST_F(syslog_source_test, what_is_completed_makes_room) {
  for (auto round = 0; round < 100; ++round) {
    feed(1, "<1>" + std::string(900, 'x'));
    feed(2, "905 <1>" + std::string(900, 'x'));
    feed(1, "\n");
    feed(2, "y\n");
    feed(3, "<1>" + std::string(900, 'x'));
    source.close(3, received, taken.take());
  }
  EXPECT_EQ(taken.all.size(), 300u);
  EXPECT_EQ(source.take_counts().too_large, 0u);
}

} // namespace sluice

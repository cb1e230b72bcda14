#include <gmock/gmock.h>

#include "actors/intake/line_source.hpp"
#include "tests/unit/messages_ingest_support.hpp"

namespace sluice {

namespace {

using namespace testing;
using namespace sluice::test;

struct line_source_test : Test {
  void feed(line_source& to, peer_id peer, std::string_view bytes) { to.feed(peer, bytes, received, taken.take()); }

  taken_records taken;
  line_source text{{.max_message_bytes = 16}, line_form::text};
  line_source json{{.max_message_bytes = 256}, line_form::json};
};

} // namespace

TEST_F(line_source_test, lines_are_kept_byte_for_byte) {
  text.open(1, "peer");
  feed(text, 1, std::string_view{"one\r\n\n\0\xff\nla", 11});
  text.close(1, received, taken.take());
  EXPECT_THAT(taken.bodies(), ElementsAre("one\r", "", std::string_view("\0\xff", 2), "la"));
  EXPECT_EQ(taken.all[0].time, received);
}

TEST_F(line_source_test, peers_do_not_mix) {
  feed(text, 1, "a");
  feed(text, 2, "b");
  feed(text, 1, "1\n");
  feed(text, 2, "2\n");
  EXPECT_THAT(taken.bodies(), ElementsAre("a1", "b2"));
}

TEST_F(line_source_test, what_is_left_of_all_peers_is_given_at_the_end) {
  feed(text, 1, "a");
  feed(text, 2, "b");
  text.close_all(received, taken.take());
  EXPECT_THAT(taken.bodies(), UnorderedElementsAre("a", "b"));
}

TEST_F(line_source_test, long_lines_are_cut_and_counted_once) {
  feed(text, 1, std::string(40, 'x') + "\n");
  EXPECT_THAT(taken.bodies(), ElementsAre(std::string(16, 'x'), std::string(16, 'x'), std::string(8, 'x')));
  EXPECT_EQ(text.take_counts().too_large, 1);
  EXPECT_EQ(text.take_counts().too_large, 0);
}

TEST_F(line_source_test, objects_are_taken_apart) {
  feed(json, 1, "{\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"error\",\"msg\":\"m\",\"k\":\"v\"}\r\n");
  ASSERT_THAT(taken.bodies(), ElementsAre("m"));
  EXPECT_EQ(taken.all[0].time, at("2026-01-02T03:04:05Z"));
  EXPECT_EQ(taken.all[0].level, severity::error);
  EXPECT_EQ(taken.all[0].attributes, (taken_attributes{{"k", "v"}}));
  EXPECT_EQ(json.take_counts().unparsed, 0);
}

TEST_F(line_source_test, what_is_no_object_with_a_body_is_kept_as_it_came) {
  feed(json, 1, "{\"msg\":\"m\",\"level\":\"error\"}\n{\"a\":1}\n[1]\n{broken\n\n");
  EXPECT_THAT(taken.bodies(), ElementsAre("m", "{\"a\":1}", "[1]", "{broken", ""));
  EXPECT_EQ(taken.all[3].level, std::nullopt);
  EXPECT_EQ(json.take_counts().unparsed, 2);
}

TEST_F(line_source_test, pieces_of_a_line_are_no_objects) {
  feed(json, 1, std::string(256, ' ') + "{\"msg\":\"m\"}\n");
  EXPECT_THAT(taken.bodies(), ElementsAre(std::string(256, ' '), "{\"msg\":\"m\"}"));
}

} // namespace sluice

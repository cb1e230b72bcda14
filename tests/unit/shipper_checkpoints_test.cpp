#include <gtest/gtest.h>

#include "actors/shipper/checkpoints.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice::test {

namespace {

id128 make_store(std::uint8_t number) {
  id128 made;
  made.fill(number);
  return made;
}

} // namespace

TEST(shipper_checkpoints, come_back_from_their_text) {
  checkpoints kept;
  EXPECT_FALSE(kept.changed());
  EXPECT_TRUE(kept.set(make_stream(1), {{2, 3, 400}, make_store(0xff)}));
  EXPECT_FALSE(kept.set(make_stream(2), {{1, 1, 1}, make_store(8)})) << "there is something to save already";
  EXPECT_FALSE(kept.set(make_stream(1), {{2, 4, 500}, make_store(0xff)}));
  auto text = kept.take_text();
  EXPECT_FALSE(kept.changed());
  checkpoints read;
  read.load(text);
  ASSERT_TRUE(read.find(make_stream(1)));
  EXPECT_EQ(read.find(make_stream(1))->last, (stream_point{2, 4, 500}));
  EXPECT_EQ(read.find(make_stream(1))->store, make_store(0xff));
  EXPECT_TRUE(read.find(make_stream(2)));
  EXPECT_FALSE(read.find(make_stream(3)));
  EXPECT_EQ(read.take_text(), text);
}

TEST(shipper_checkpoints, forget_what_is_over) {
  checkpoints kept;
  kept.set(make_stream(1), {{1, 1, 1}, make_store(1)});
  kept.take_text();
  kept.erase(make_stream(1));
  EXPECT_TRUE(kept.changed());
  EXPECT_EQ(kept.take_text(), "");
}

// A wrong position could make a receiver leave out what no store has.
TEST(shipper_checkpoints, believe_no_line_of_which_a_byte_has_changed) {
  checkpoints kept;
  kept.set(make_stream(1), {{2, 3, 400}, make_store(7)});
  auto text = kept.take_text();
  for (std::size_t at = 0; at < text.size(); ++at)
    for (auto bit : {1, 2, 16}) {
      auto damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ bit);
      checkpoints read;
      read.load(damaged);
      auto* found = read.find(make_stream(1));
      EXPECT_TRUE(!found || found->last == (stream_point{2, 3, 400})) << damaged;
    }
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    checkpoints read;
    read.load(text.substr(0, size));
    EXPECT_FALSE(read.find(make_stream(1))) << size;
  }
}

TEST(shipper_checkpoints, leave_out_what_has_not_moved_longest) {
  checkpoints kept;
  auto make = [](std::size_t number) {
    stream_id made;
    std::memcpy(made.source.data(), &number, sizeof number);
    return made;
  };
  for (std::size_t i = 0; i < checkpoints::max_streams + 2; ++i)
    kept.set(make(i), {{1, 1, i}, make_store(1)});
  kept.set(make(0), {{1, 2, 1}, make_store(1)});
  auto text = kept.take_text();
  EXPECT_LE(text.size(), checkpoints::max_text_bytes);
  checkpoints read;
  read.load(text);
  EXPECT_TRUE(read.find(make(0)));
  EXPECT_FALSE(read.find(make(1)));
  EXPECT_FALSE(read.find(make(2)));
  EXPECT_TRUE(read.find(make(3)));
}

} // namespace sluice::test

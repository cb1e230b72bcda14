#include <gtest/gtest.h>

#include "actors/shipper/checkpoints.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

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
  auto text = kept.text();
  checkpoints read;
  read.load(text);
  ASSERT_TRUE(read.find(make_stream(1)));
  EXPECT_EQ(read.find(make_stream(1))->last, (stream_point{2, 4, 500}));
  EXPECT_EQ(read.find(make_stream(1))->store, make_store(0xff));
  EXPECT_TRUE(read.find(make_stream(2)));
  EXPECT_FALSE(read.find(make_stream(3)));
  EXPECT_EQ(read.text(), text);
}

TEST(shipper_checkpoints, tell_what_has_changed) {
  checkpoints kept;
  kept.set(make_stream(1), {{1, 1, 1}, make_store(1)});
  kept.set(make_stream(2), {{1, 1, 1}, make_store(1)});
  EXPECT_EQ(kept.take_changes().size(), 2);
  EXPECT_FALSE(kept.changed());
  EXPECT_TRUE(kept.take_changes().empty());
  kept.erase(make_stream(1));
  EXPECT_TRUE(kept.changed());
  auto over = kept.take_changes();
  ASSERT_EQ(over.size(), 1);
  EXPECT_EQ(over[0].first, make_stream(1));
  EXPECT_FALSE(over[0].second);
}

TEST(shipper_checkpoints, tell_again_what_could_not_be_saved) {
  checkpoints kept;
  kept.set(make_stream(1), {{1, 1, 1}, make_store(1)});
  kept.put_back(kept.take_changes());
  EXPECT_TRUE(kept.set(make_stream(2), {{1, 1, 1}, make_store(1)}));
  EXPECT_EQ(kept.take_changes().size(), 2);
}

class checkpoint_file : public testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(files.create_folders("/state")); }

  /// As a process that has changed this.
  expected<void> save(const checkpoints::changes& changed) { return checkpoints::update(files, where, changed); }

  std::optional<stream_point> saved(std::uint8_t stream) {
    auto read = checkpoints::read(files, where);
    auto* found = read ? read->find(make_stream(stream)) : nullptr;
    return found ? std::optional{found->last} : std::nullopt;
  }

  static checkpoints::changes moved(std::uint8_t stream, const stream_point& to) {
    return {{make_stream(stream), checkpoints::entry{to, make_store(1)}}};
  }

  const std::filesystem::path where = "/state/checkpoints";
  sim_file_system files{1};
};

TEST_F(checkpoint_file, keeps_what_several_processes_add) {
  ASSERT_TRUE(save(moved(1, {1, 5, 50})));
  ASSERT_TRUE(save(moved(2, {2, 1, 10})));
  ASSERT_TRUE(save(moved(1, {1, 6, 60})));
  EXPECT_EQ(saved(1), (stream_point{1, 6, 60}));
  EXPECT_EQ(saved(2), (stream_point{2, 1, 10}));
}

TEST_F(checkpoint_file, forgets_what_is_over) {
  ASSERT_TRUE(save(moved(1, {1, 5, 50})));
  ASSERT_TRUE(save(moved(2, {2, 1, 10})));
  ASSERT_TRUE(save({{make_stream(1), std::nullopt}}));
  EXPECT_FALSE(saved(1));
  EXPECT_TRUE(saved(2));
}

TEST_F(checkpoint_file, keeps_what_a_later_start_says_of_a_stream) {
  ASSERT_TRUE(save(moved(1, {3, 1, 90})));
  ASSERT_TRUE(save(moved(1, {2, 7, 70})));
  EXPECT_EQ(saved(1), (stream_point{3, 1, 90}));
}

// A receiver may have lost what it had.
TEST_F(checkpoint_file, goes_back_with_the_start_that_goes_back) {
  ASSERT_TRUE(save(moved(1, {2, 7, 70})));
  ASSERT_TRUE(save(moved(1, {2, 3, 30})));
  EXPECT_EQ(saved(1), (stream_point{2, 3, 30}));
}

TEST_F(checkpoint_file, is_changed_by_one_process_at_a_time) {
  auto other = files.lock("/state/checkpoints.lock");
  ASSERT_TRUE(other);
  EXPECT_EQ(save(moved(1, {1, 5, 50})).error().code, errc::locked);
  other->reset();
  EXPECT_TRUE(save(moved(1, {1, 5, 50})));
}

// A wrong position could make a receiver leave out what no store has.
TEST(shipper_checkpoints, believe_no_line_of_which_a_byte_has_changed) {
  checkpoints kept;
  kept.set(make_stream(1), {{2, 3, 400}, make_store(7)});
  auto text = kept.text();
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
  auto text = kept.text();
  EXPECT_LE(text.size(), checkpoints::max_text_bytes);
  checkpoints read;
  read.load(text);
  EXPECT_TRUE(read.find(make(0)));
  EXPECT_FALSE(read.find(make(1)));
  EXPECT_FALSE(read.find(make(2)));
  EXPECT_TRUE(read.find(make(3)));
}

} // namespace sluice::test

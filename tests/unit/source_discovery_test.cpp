#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/source/file_discovery.hpp"
#include "actors/source/rotated_names.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// One agent after the other looks for files.
class source_discovery : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(files_->create_folders("/state"));
    start({"/logs/app.log"});
  }

  /// Another run of the agent.
  void start(std::vector<std::string> patterns) {
    discovery_ = std::make_unique<file_discovery>(
      *files_, std::make_shared<file_registry>(*files_, "/state/notes"), std::move(patterns));
  }

  void put(const std::string& name, std::string content) { files_->set_content("/logs/" + name, std::move(content)); }
  void rename(const std::string& from, const std::string& to) {
    ASSERT_TRUE(files_->rename("/logs/" + from, "/logs/" + to));
  }
  std::string content(const std::string& name) { return files_->content("/logs/" + name); }
  file_identity identity(const std::string& name) { return identity_of(files_->info("/logs/" + name).value()); }

  findings look(std::set<std::filesystem::path> changed = {{}}) {
    news_.changed = std::move(changed);
    news_.max_opened = 256;
    return discovery_->look(std::exchange(news_, {})).value();
  }

  /// What is found, as `where it is` or, if it is away from its path, `(where it is)`.
  static std::vector<std::string> names(const findings& found) {
    std::vector<std::string> result;
    for (auto& x : found.files) {
      auto name = x.location.filename().string();
      result.push_back(x.is_away ? "(" + name + ")" : name);
    }
    return result;
  }

  static std::string text_of(const found_file& x) { return std::string{as_text(read_beginning(*x.opened).value())}; }

  findings cut(const found_file& x, std::uint64_t read, std::optional<std::uint64_t> acked = {}) {
    return discovery_->look_at_truncated({x.path, x.which, x.key, x.head, read, acked.value_or(read)}).value();
  }

  void finish(const found_file& x) { news_.finished.push_back({x.which, x.key}); }

  std::unique_ptr<sim_file_system> files_ = std::make_unique<sim_file_system>(1);
  std::unique_ptr<file_discovery> discovery_;
  file_discovery::news news_;
};

} // namespace

TEST(source_names, knows_what_rotation_makes_of_a_name) {
  for (auto name : {"app.log.1", "app.log-20240131", "app.log.2024-01-31", "app.log.old", "app.log_1", "app.log~1"})
    EXPECT_TRUE(is_rotated_name(name, "app.log")) << name;
  for (auto name : {"app.log", "app.log.", "app.log.1.gz", "app.logs", "app.log.err", "ap", "other.log.1", "app.log1"})
    EXPECT_FALSE(is_rotated_name(name, "app.log")) << name;
}

TEST_F(source_discovery, finds_a_file_once_it_has_something) {
  EXPECT_THAT(names(look()), IsEmpty());
  put("app.log", "");
  EXPECT_THAT(names(look()), IsEmpty());
  put("app.log", "1\n");
  auto found = look();
  EXPECT_THAT(names(found), ElementsAre("app.log"));
  EXPECT_EQ(found.files[0].path, "/logs/app.log");
  EXPECT_TRUE(found.files[0].opened);
  EXPECT_THAT(names(look()), IsEmpty());
}

TEST_F(source_discovery, tells_of_growth_where_it_is_told_to_look) {
  put("app.log", "1\n");
  auto key = look().files.at(0).key;
  put("app.log", "1\n2\n");
  EXPECT_THAT(look({"/logs/other"}).changes, IsEmpty());
  auto found = look({"/logs/app.log"});
  ASSERT_EQ(found.changes.size(), 1);
  EXPECT_EQ(found.changes[0].key, key);
  EXPECT_EQ(found.changes[0].size, 4);
  EXPECT_FALSE(found.changes[0].is_away);
  EXPECT_THAT(look({"/logs/app.log"}).changes, IsEmpty());
}

TEST_F(source_discovery, tells_of_a_rotation_and_where_the_file_is_now) {
  put("app.log", "1\n");
  auto key = look().files.at(0).key;
  rename("app.log", "app.log.1");
  put("app.log", "2\n");
  auto found = look({"/logs/app.log"});
  ASSERT_EQ(found.changes.size(), 1);
  EXPECT_EQ(found.changes[0].key, key);
  EXPECT_TRUE(found.changes[0].is_away);
  EXPECT_EQ(found.changes[0].location, "/logs/app.log.1");
  EXPECT_THAT(names(found), ElementsAre("app.log"));
  EXPECT_NE(found.files[0].key, key);
}

TEST_F(source_discovery, tells_that_a_file_has_gone) {
  put("app.log", "1\n");
  look();
  ASSERT_TRUE(files_->remove("/logs/app.log"));
  auto found = look();
  ASSERT_EQ(found.changes.size(), 1);
  EXPECT_TRUE(found.changes[0].is_away);
  EXPECT_EQ(found.changes[0].location, "");
}

TEST_F(source_discovery, finds_what_was_rotated_more_than_once_between_two_looks) {
  put("app.log.7", "older than all\n");
  put("app.log", "1\n");
  look();
  rename("app.log", "app.log.3");
  put("app.log.2", "2\n");
  put("app.log.1", "3\n");
  put("app.log.err", "something else\n");
  put("app.log.4.gz", "compressed");
  put("app.log", "4\n");
  auto found = look();
  EXPECT_THAT(names(found), ElementsAre("(app.log.2)", "(app.log.1)", "app.log"));
  EXPECT_THAT(names(look()), IsEmpty());
}

TEST_F(source_discovery, finds_what_was_filled_and_rotated_after_it_was_seen_empty) {
  put("app.log", "");
  EXPECT_THAT(names(look()), IsEmpty());
  for (std::string before; before.size() < 2; before += '.') {
    put("app.log", "rotated " + before);
    rename("app.log", "app.log.1" + before);
    put("app.log", "followed " + before);
    EXPECT_THAT(names(look()), ElementsAre("(app.log.1" + before + ")", "app.log"));
    rename("app.log", "app.log.2" + before);
    put("app.log", "");
    EXPECT_THAT(names(look()), IsEmpty());
  }
}

TEST_F(source_discovery, goes_on_after_a_restart_with_what_is_not_finished) {
  put("app.log", "1\n");
  auto first = look().files.at(0);
  rename("app.log", "app.log.1");
  put("app.log", "2\n");
  auto second = look().files.at(0);
  rename("app.log.1", "app.log.4");
  rename("app.log", "app.log.3");
  put("app.log.2", "3\n");
  put("app.log.1", "4\n");
  start({"/logs/app.log"});
  auto found = look();
  ASSERT_THAT(names(found), ElementsAre("(app.log.4)", "(app.log.3)", "(app.log.2)", "(app.log.1)"));
  EXPECT_EQ(found.files[0].key, first.key);
  EXPECT_EQ(found.files[1].key, second.key);
  put("app.log", "5\n");
  EXPECT_THAT(names(look()), ElementsAre("app.log"));
}

TEST_F(source_discovery, passes_over_after_a_restart_what_is_finished) {
  put("app.log", "1\n");
  auto first = look().files.at(0);
  rename("app.log", "app.log.1");
  put("app.log", "2\n");
  look();
  finish(first);
  look();
  start({"/logs/app.log"});
  EXPECT_THAT(names(look()), ElementsAre("app.log"));
}

// It was taken for finished, and said to be lost.
TEST_F(source_discovery, leaves_to_its_reader_what_cannot_be_found_again) {
  put("app.log", "1\n");
  auto file = look().files.at(0);
  ASSERT_TRUE(files_->remove("/logs/app.log"));
  for (auto i = 0; i < 2; ++i) {
    start({"/logs/app.log"});
    auto found = look();
    EXPECT_THAT(found.problems, IsEmpty());
    ASSERT_EQ(found.files.size(), 1);
    EXPECT_EQ(found.files[0].key, file.key);
    EXPECT_TRUE(found.files[0].is_missing);
  }
  finish(file);
  look();
  start({"/logs/app.log"});
  EXPECT_THAT(names(look()), IsEmpty());
}

TEST_F(source_discovery, leaves_to_its_reader_what_was_truncated_without_a_copy) {
  put("app.log", "first\n");
  auto file = look().files.at(0);
  put("app.log", "second\n");
  start({"/logs/app.log"});
  auto found = look();
  ASSERT_THAT(names(found), ElementsAre("(app.log)", "app.log"));
  EXPECT_EQ(found.files[0].key, file.key);
  EXPECT_TRUE(found.files[0].is_missing);
  EXPECT_NE(found.files[1].key, file.key);
  EXPECT_THAT(names(cut(found.files[0], 6)), IsEmpty()) << "that is known";
}

TEST_F(source_discovery, finds_what_was_rotated_though_its_path_stays_empty_or_leads_to_nothing) {
  put("app.log", "1\n");
  look();
  rename("app.log", "app.log.3");
  put("app.log.2", "2\n");
  EXPECT_THAT(names(look()), ElementsAre("(app.log.2)"));
  put("app.log.1", "3\n");
  put("app.log", "");
  EXPECT_THAT(names(look()), ElementsAre("(app.log.1)"));
  put("app.log.0", "4\n");
  EXPECT_THAT(names(look()), ElementsAre("(app.log.0)"));
  put("app.log.00", "5\n");
  start({"/logs/*.log"});
  EXPECT_THAT(names(look()), ElementsAre("(app.log.3)", "(app.log.2)", "(app.log.1)", "(app.log.0)", "(app.log.00)"));
}

TEST_F(source_discovery, finds_the_copy_of_what_stood_in_an_empty_file_between_two_looks) {
  put("app.log", "1\n");
  auto file = look().files.at(0);
  put("app.log.2", "1\n");
  put("app.log", "");
  EXPECT_THAT(names(cut(file, 2)), ElementsAre("(app.log.2)"));
  put("app.log.1", "2\n");
  EXPECT_THAT(names(look()), ElementsAre("(app.log.1)"));
}

// What was opened by its name was not compared with what had been seen there.
TEST_F(source_discovery, finds_all_in_order_while_names_shift) {
  for (auto moment = 0; moment < 40; ++moment) {
    files_ = std::make_unique<sim_file_system>(1);
    SetUp();
    put("app.log", "1\n");
    look();
    rename("app.log", "app.log.2");
    put("app.log.1", "2\n");
    put("app.log", "3\n");
    auto left = moment;
    files_->interleave([&] {
      if (left-- != 0)
        return;
      rename("app.log.2", "app.log.3");
      rename("app.log.1", "app.log.2");
      rename("app.log", "app.log.1");
      put("app.log", "4\n");
    });
    std::string seen;
    for (auto i = 0; i < 3; ++i)
      for (auto& x : look().files)
        seen += text_of(x);
    EXPECT_EQ(seen, left < 0 ? "2\n3\n4\n" : "2\n3\n") << "at moment " << moment;
  }
}

TEST_F(source_discovery, finds_the_copy_of_what_was_truncated) {
  put("app.log.2", "something else\n");
  put("app.log", "first\n");
  auto file = look().files.at(0);
  put("app.log.1", "first\nsecond\n");
  put("app.log", "");
  auto found = cut(file, 6);
  ASSERT_THAT(names(found), ElementsAre("(app.log.1)"));
  EXPECT_EQ(found.files[0].key, file.key);
  put("app.log", "first\n");
  found = look();
  ASSERT_THAT(names(found), ElementsAre("app.log"));
  EXPECT_NE(found.files[0].key, file.key) << "though it has the same beginning";
}

TEST_F(source_discovery, finds_no_copy_that_is_shorter_than_what_was_read) {
  std::string beginning(file_head::max_bytes, '.');
  put("app.log", beginning + "first\nsecond\n");
  auto file = look().files.at(0);
  put("app.log.1", beginning + "first\n");
  put("app.log", "3\n");
  auto found = cut(file, beginning.size() + 13);
  ASSERT_THAT(names(found), ElementsAre("app.log"));
  EXPECT_NE(found.files[0].key, file.key);
}

TEST_F(source_discovery, finds_a_copy_that_is_shorter_than_what_was_read_if_some_of_that_may_be_read_again) {
  std::string beginning(file_head::max_bytes, '.');
  put("app.log", beginning + "first\nsecond\n");
  auto file = look().files.at(0);
  put("app.log.1", beginning + "first\n");
  put("app.log", "3\n");
  auto found = cut(file, beginning.size() + 13, beginning.size());
  ASSERT_THAT(names(found), ElementsAre("(app.log.1)", "app.log"));
  EXPECT_EQ(found.files[0].key, file.key);
}

TEST_F(source_discovery, finds_the_copy_of_what_was_truncated_while_no_agent_ran) {
  put("app.log", "first\n");
  auto file = look().files.at(0);
  put("app.log.2", "first\nsecond\n");
  put("app.log.1", "third\n");
  put("app.log", "fourth\n");
  start({"/logs/app.log"});
  auto found = look();
  ASSERT_THAT(names(found), ElementsAre("(app.log.2)", "(app.log.1)", "app.log"));
  EXPECT_EQ(found.files[0].key, file.key);
  EXPECT_NE(found.files[2].key, file.key);
  start({"/logs/app.log"});
  auto again = look();
  ASSERT_THAT(names(again), ElementsAre("(app.log.2)", "(app.log.1)", "app.log"));
  for (auto i = 0; i < 3; ++i)
    EXPECT_EQ(again.files[i].key, found.files[i].key);
}

TEST_F(source_discovery, brings_back_in_order_what_was_truncated_more_than_once) {
  put("app.log", "first\n");
  auto first = look().files.at(0);
  put("app.log.2", "first\nmore\n");
  put("app.log", "second\n");
  auto second = cut(first, 6).files.at(1);
  put("app.log.1", "second\nmore\n");
  put("app.log", "third\n");
  start({"/logs/app.log"});
  auto found = look();
  ASSERT_THAT(names(found), ElementsAre("(app.log.2)", "(app.log.1)", "app.log"));
  EXPECT_EQ(found.files[0].key, first.key);
  EXPECT_EQ(found.files[1].key, second.key);
}

TEST_F(source_discovery, does_not_take_a_copy_for_another_file) {
  start({"/logs/app.log*"});
  put("app.log", "first\n");
  auto file = look().files.at(0);
  put("app.log.1", "fir");
  EXPECT_THAT(names(look()), IsEmpty());
  put("app.log.1", "first\n");
  EXPECT_THAT(names(look()), IsEmpty());
  put("app.log", "second\n");
  EXPECT_THAT(names(look()), IsEmpty());
  auto found = cut(file, 6);
  ASSERT_THAT(names(found), ElementsAre("(app.log.1)", "app.log"));
  EXPECT_EQ(found.files[0].key, file.key);
  finish(found.files[0]);
  rename("app.log.1", "app.log.2");
  EXPECT_THAT(names(look()), IsEmpty());
}

TEST_F(source_discovery, follows_a_rotated_file_under_its_new_name_only_if_it_grows) {
  start({"/logs/app.log*"});
  put("app.log", "1\n");
  auto file = look().files.at(0);
  rename("app.log", "app.log.1");
  EXPECT_THAT(names(look()), IsEmpty());
  put("app.log.1", "1\nlate\n");
  EXPECT_THAT(names(look()), IsEmpty()) << "it is still read";
  finish(file);
  EXPECT_THAT(names(look()), IsEmpty());
  put("app.log.1", "1\nlate\nlater\n");
  auto found = look();
  ASSERT_THAT(names(found), ElementsAre("app.log.1"));
  EXPECT_EQ(found.files[0].key, file.key);
}

TEST_F(source_discovery, finds_all_that_a_pattern_matches_but_what_is_compressed) {
  start({"/logs/*.log*"});
  put("a.log", "1\n");
  put("b.log", "2\n");
  put("b.log.1", "3\n");
  put("c.log.gz", "4\n");
  put("other", "5\n");
  EXPECT_THAT(names(look()), ElementsAre("a.log", "b.log", "b.log.1"));
  put("d.log", "6\n");
  EXPECT_THAT(names(look({"/logs/d.log", "/logs/other"})), ElementsAre("d.log"));
}

TEST_F(source_discovery, hands_over_no_more_open_files_than_it_may) {
  start({"/logs/*"});
  for (auto name : {"a", "b", "c"})
    put(name, name);
  auto found = discovery_->look({.changed = {{}}, .finished = {}, .max_opened = 2}).value();
  ASSERT_EQ(found.files.size(), 3);
  EXPECT_TRUE(found.files[1].opened);
  EXPECT_FALSE(found.files[2].opened);
}

TEST_F(source_discovery, hands_over_nothing_that_is_not_noted) {
  put("app.log", "1\n");
  files_->fail_write(1, errc::storage_full);
  EXPECT_FALSE(discovery_->look({.changed = {{}}, .finished = {}}));
  EXPECT_THAT(names(look()), ElementsAre("app.log"));
}

TEST_F(source_discovery, keeps_what_is_not_noted_when_other_files_are_not_noted_either) {
  put("app.log", "1\n");
  put("given", "2\n");
  files_->set_capacity(0);
  EXPECT_FALSE(discovery_->look({.changed = {{}}, .finished = {}}));
  EXPECT_FALSE(discovery_->identify(std::vector<std::string>{"/logs/given"}));
  files_->set_capacity(1 << 20);
  EXPECT_THAT(names(look()), ElementsAre("app.log", "given"));
}

TEST_F(source_discovery, knows_where_a_file_is_that_was_rotated_before_it_could_be_noted) {
  put("app.log", "1\n");
  files_->set_capacity(0);
  EXPECT_FALSE(discovery_->look({.changed = {{}}, .finished = {}}));
  rename("app.log", "app.log.1");
  put("app.log", "2\n");
  files_->set_capacity(1 << 20);
  EXPECT_THAT(names(look()), ElementsAre("(app.log.1)", "app.log"));
}

TEST_F(source_discovery, finds_given_files_later_if_the_notes_cannot_be_read) {
  put("given", "1\n");
  files_->fail_calls(1'000, errc::io_error, "/state");
  EXPECT_FALSE(discovery_->identify(std::vector<std::string>{"/logs/given"}));
  files_->fail_calls(0, errc::io_error);
  EXPECT_THAT(names(look()), ElementsAre("given"));
}

} // namespace sluice::test

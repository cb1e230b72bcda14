#include <set>

#include <gtest/gtest.h>

#include "actors/source/file_registry.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

class source_registry : public testing::Test {
protected:
  void put(const std::string& path, std::string content) { files_.set_content(path, std::move(content)); }
  std::unique_ptr<file> open(const std::string& path) { return files_.open(path, open_mode::read).value(); }

  expected<id128> key_of(file_registry& registry, const std::string& path, const std::string& followed_at = {}) {
    id128 key{};
    return registry.load()
      .and_then([&] { return registry.identify(*open(path), followed_at); })
      .and_then([&](const file_registry::entry* x) {
        key = x->second.key;
        return registry.flush();
      })
      .map([&] { return key; });
  }

  /// As another run of the agent sees it.
  expected<id128> key_anew(const std::string& path) {
    file_registry registry{files_, "/notes"};
    return key_of(registry, path);
  }

  file_identity identity(const std::string& path) { return identity_of(files_.info(path).value()); }

  sim_file_system files_{1};
};

} // namespace

TEST_F(source_registry, identity_stays_when_lines_are_appended) {
  file_registry registry{files_, "/notes"};
  put("/log", "first\n");
  auto before = key_of(registry, "/log");
  put("/log", "first\nsecond\n");
  EXPECT_EQ(key_of(registry, "/log"), before);
  ASSERT_TRUE(files_.rename("/log", "/log.1"));
  EXPECT_EQ(key_of(registry, "/log.1"), before);
}

// What was rotated while nobody looked was taken for seen though it was not noted, and was lost.
TEST_F(source_registry, tells_of_nothing_newer_than_what_is_noted_if_a_crash_cuts_the_notes) {
  put("/log", "one\n");
  put("/log.1", "two\n");
  put("/log.2", "three\n");
  {
    file_registry registry{files_, "/notes"};
    ASSERT_TRUE(registry.load());
    registry.set_newest("/log", 1);
    ASSERT_TRUE(registry.identify(*open("/log"), "/log"));
    ASSERT_TRUE(registry.flush());
    registry.set_newest("/log", 3);
    ASSERT_TRUE(registry.identify(*open("/log.1"), "/log"));
    ASSERT_TRUE(registry.identify(*open("/log.2"), "/log"));
    ASSERT_TRUE(registry.flush());
  }
  auto notes = files_.content("/notes");
  for (auto size = notes.size(); size > 0; --size) {
    files_.set_content("/notes", notes.substr(0, size));
    file_registry registry{files_, "/notes"};
    ASSERT_TRUE(registry.load());
    auto is_whole = registry.find(identity("/log.1")) && registry.find(identity("/log.2"));
    EXPECT_EQ(registry.newest_at("/log").value_or(0) == 3, is_whole) << "of the notes, " << size << " bytes are left";
  }
}

TEST_F(source_registry, identity_stays_when_the_first_line_grows_between_runs) {
  put("/log", "no e");
  auto before = key_anew("/log");
  put("/log", "no end" + std::string(500, '.'));
  EXPECT_EQ(key_anew("/log"), before);
  put("/log", "no end" + std::string(2000, '.'));
  EXPECT_EQ(key_anew("/log"), before);
  put("/log", "no end" + std::string(2500, '.'));
  EXPECT_EQ(key_anew("/log"), before);
}

TEST_F(source_registry, identity_tells_files_apart) {
  file_registry registry{files_, "/notes"};
  put("/a", "same\n");
  put("/b", "same\n");
  EXPECT_NE(key_of(registry, "/a"), key_of(registry, "/b"));
  auto before = key_of(registry, "/a");
  put("/a", "rewritten\n");
  EXPECT_NE(key_of(registry, "/a"), before);
}

TEST_F(source_registry, identity_passes_over_notes_that_cannot_be_read) {
  put("/notes", "garbage\n1 2 3 0 99999 5 6 7 o 0 - .\n1 2 3 0 4 5 6 7 x 0 - .\n1 2 3 4 5 6");
  put("/log", "line\n");
  auto before = key_anew("/log");
  ASSERT_TRUE(before);
  put("/log", "line\nanother\n");
  EXPECT_EQ(key_anew("/log"), before) << "a note that a crash has cut spoils the one behind it";
}

TEST_F(source_registry, identity_fails_for_every_file_while_the_notes_cannot_be_read) {
  put("/log", "line\n");
  ASSERT_TRUE(files_.create_folders("/notes"));
  file_registry registry{files_, "/notes"};
  EXPECT_FALSE(key_of(registry, "/log"));
  EXPECT_FALSE(key_of(registry, "/log")) << "it went on without what was noted";
}

TEST_F(source_registry, identity_forgets_the_older_half_of_many_notes) {
  std::string many;
  for (auto i = 0; many.size() < 17 * 1024 * 1024; ++i)
    many += "\n1 " + std::to_string(i) + " 3 0 4 5 6 7 o 0 - .";
  put("/notes", many);
  put("/log", "line\n");
  ASSERT_TRUE(key_anew("/log"));
  EXPECT_LT(open("/notes")->info()->size, 9 * 1024 * 1024u);
}

TEST_F(source_registry, a_file_that_was_truncated_begins_another_stream_each_time) {
  file_registry registry{files_, "/notes"};
  std::set<id128> keys;
  for (auto i = 0; i < 5; ++i) {
    put("/log", "always the same\n");
    EXPECT_TRUE(keys.insert(key_of(registry, "/log").value()).second);
    EXPECT_FALSE(keys.insert(key_of(registry, "/log").value()).second);
    EXPECT_FALSE(keys.insert(key_anew("/log").value()).second);
    registry.mark(identity("/log"), known_file::state::cut);
    ASSERT_TRUE(registry.flush());
  }
}

TEST_F(source_registry, remembers_what_is_followed_and_not_finished) {
  using paths = std::map<std::string, std::vector<file_identity>>;
  put("/a log%\n", "1\n");
  put("/b", "2\n");
  {
    file_registry registry{files_, "/notes"};
    ASSERT_TRUE(key_of(registry, "/b", "/b"));
    ASSERT_TRUE(key_of(registry, "/a log%\n", "/a log%\n"));
    put("/once", "3\n");
    ASSERT_TRUE(key_of(registry, "/once"));
    registry.set_newest("/b", 77);
    registry.mark(identity("/b"), known_file::state::finished);
    ASSERT_TRUE(registry.flush());
  }
  file_registry again{files_, "/notes"};
  ASSERT_TRUE(again.load());
  EXPECT_EQ(again.unfinished(), (paths{{"/a log%\n", {identity("/a log%\n")}}}));
  EXPECT_EQ(again.newest_at("/b"), 77);
  EXPECT_EQ(again.newest_at("/c"), std::nullopt);
}

TEST_F(source_registry, a_stream_goes_on_in_a_copy) {
  put("/log", "line\n");
  file_registry registry{files_, "/notes"};
  auto before = key_of(registry, "/log", "/log");
  put("/log.1", "line\nanother\n");
  registry.move(identity("/log"), identity("/log.1"));
  registry.mark(identity("/log"), known_file::state::cut);
  put("/log", "new\n");
  EXPECT_NE(key_of(registry, "/log", "/log"), before);
  EXPECT_EQ(key_of(registry, "/log.1", "/log"), before);
  file_registry again{files_, "/notes"};
  EXPECT_EQ(key_of(again, "/log.1", "/log"), before);
}

TEST_F(source_registry, forgets_what_was_finished_long_ago_and_nothing_else) {
  put("/log", "line\n");
  put("/old", "line\n");
  file_registry registry{files_, "/notes"};
  auto followed = key_of(registry, "/log", "/log");
  ASSERT_TRUE(followed);
  ASSERT_TRUE(key_of(registry, "/old", "/log"));
  std::string many;
  for (auto i = 0; many.size() < 17 * 1024 * 1024; ++i)
    many += "\n1 " + std::to_string(1000 + i) + " 3 0 4 5 6 7 f 9 /log .";
  ASSERT_TRUE(files_.append("/notes", many));
  file_registry again{files_, "/notes"};
  ASSERT_TRUE(again.load());
  EXPECT_LT(open("/notes")->info()->size, 2 * 1024 * 1024u);
  EXPECT_EQ(again.unfinished().at("/log").size(), 2u);
  EXPECT_EQ(key_of(again, "/log", "/log"), followed);
}

} // namespace sluice::test

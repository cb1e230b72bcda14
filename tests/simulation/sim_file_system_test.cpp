#include <gtest/gtest.h>

#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

class sim_file_system_test : public testing::Test {
protected:
  sim_file_system_test() { EXPECT_TRUE(files_.create_folders("/logs")); }

  std::unique_ptr<file> create(const std::string& path) { return files_.open(path, open_mode::create).value(); }
  std::uint64_t inode_of(const std::string& path) { return files_.open(path, open_mode::read).value()->info()->inode; }

  static expected<void> write(file& to, std::string_view text, std::uint64_t offset = 0) {
    const byte_view parts[] = {as_bytes(text)};
    return to.write_at(parts, offset);
  }

  sim_file_system files_{1};
};

} // namespace

TEST_F(sim_file_system_test, takes_only_what_there_is_room_for_until_there_is_more) {
  auto log = create("/logs/a");
  files_.set_capacity(5);
  EXPECT_EQ(write(*log, "12345678").error().code, errc::storage_full);
  EXPECT_EQ(files_.content("/logs/a"), "12345");
  EXPECT_EQ(files_.open("/logs/b", open_mode::create).error().code, errc::storage_full);
  EXPECT_EQ(files_.space("/logs")->available, 0);
  files_.set_capacity(3);
  EXPECT_EQ(files_.space("/logs")->available, 0) << "somebody else has taken it";
  files_.set_capacity(100);
  EXPECT_TRUE(write(*log, "678", 5));
}

TEST_F(sim_file_system_test, fails_calls_as_often_as_it_is_told) {
  auto log = create("/logs/a");
  files_.fail_calls(500, errc::io_error);
  auto failed = 0;
  for (auto i = 0; i < 1'000; ++i)
    failed += !write(*log, "x");
  EXPECT_GT(failed, 400);
  EXPECT_LT(failed, 600);
  files_.fail_calls(1'000, errc::io_error);
  EXPECT_FALSE(files_.list("/logs"));
  EXPECT_FALSE(log->sync());
  files_.clear_faults();
  EXPECT_TRUE(files_.list("/logs"));
}

TEST_F(sim_file_system_test, forgets_the_names_that_an_ignored_sync_should_have_kept) {
  EXPECT_TRUE(files_.sync_folder("/"));
  files_.ignore_folder_syncs();
  auto kept = 0;
  for (auto i = 0; i < 100; ++i) {
    create("/logs/a");
    EXPECT_TRUE(files_.sync_folder("/logs"));
    files_.crash();
    kept += files_.open("/logs/a", open_mode::read).has_value();
    if (files_.open("/logs/a", open_mode::read))
      files_.remove_content("/logs/a");
  }
  EXPECT_GT(kept, 20) << "it may have been written";
  EXPECT_LT(kept, 80);
}

TEST_F(sim_file_system_test, lets_applications_write_and_rotate_what_lasts) {
  files_.append_content("/logs/a", "one\n");
  auto opened = files_.open("/logs/a", open_mode::read).value();
  files_.move_content("/logs/a", "/logs/a.1");
  files_.append_content("/logs/a", "two\n");
  EXPECT_EQ(opened->info()->size, 4);
  EXPECT_NE(inode_of("/logs/a"), inode_of("/logs/a.1"));
  files_.crash();
  EXPECT_EQ(files_.content("/logs/a.1"), "one\n");
  EXPECT_EQ(files_.content("/logs/a"), "two\n");
}

TEST_F(sim_file_system_test, uses_the_number_of_a_file_again_once_nobody_has_it) {
  files_.append_content("/logs/a", "one\n");
  auto number = inode_of("/logs/a");
  auto birth = files_.open("/logs/a", open_mode::read).value()->info()->birth;
  auto opened = files_.open("/logs/a", open_mode::read).value();
  files_.remove_content("/logs/a");
  files_.append_content("/logs/b", "");
  EXPECT_NE(inode_of("/logs/b"), number);
  opened.reset();
  files_.append_content("/logs/c", "");
  EXPECT_EQ(inode_of("/logs/c"), number);
  EXPECT_GT(files_.open("/logs/c", open_mode::read).value()->info()->birth, birth);
  files_.forget_births();
  EXPECT_EQ(files_.open("/logs/c", open_mode::read).value()->info()->birth, timestamp{});
}

TEST_F(sim_file_system_test, gives_what_is_in_a_pipe_once) {
  files_.make_pipe("/dev/stdin");
  auto pipe = files_.standard_input().value();
  EXPECT_FALSE(pipe->info()->regular);
  std::array<std::byte, 4> space;
  EXPECT_EQ(pipe->read_some(space, {}).value(), std::nullopt);
  files_.append_content("/dev/stdin", "123456");
  EXPECT_EQ(pipe->read_some(space, {}).value(), 4);
  pipe = files_.standard_input().value();
  EXPECT_EQ(pipe->read_some(space, {}).value(), 2);
  files_.end_pipe("/dev/stdin");
  EXPECT_EQ(pipe->read_some(space, {}).value(), 0);
}

} // namespace sluice::test

#include <condition_variable>
#include <csignal>
#include <fstream>
#include <future>
#include <mutex>
#include <set>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/posix_file_system.hpp"

namespace sluice {
namespace {

namespace fs = std::filesystem;

class posix_file_system_test : public testing::Test {
protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "sluice-files-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path put(const std::string& name, std::string_view content) {
    std::ofstream{folder_ / name, std::ios::binary} << content;
    return folder_ / name;
  }

  std::string content(const fs::path& where) { return *read_file(files_, where, 1 << 20); }

  template <class T>
  static void expect_failure(const expected<T>& result, errc code, const fs::path& where) {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_TRUE(result.error().message.starts_with(where.native() + ": ")) << result.error().message;
  }

  posix_file_system files_;
  fs::path folder_;
};

TEST_F(posix_file_system_test, reads_where_it_is_told) {
  auto opened = files_.open(put("a", "0123456789"), open_mode::read);
  ASSERT_TRUE(opened);
  std::string into(4, '\0');
  auto bytes = std::as_writable_bytes(std::span{into});
  EXPECT_EQ(*(*opened)->read_at(bytes, 3), 4u);
  EXPECT_EQ(into, "3456");
  EXPECT_EQ(*(*opened)->read_at(bytes, 8), 2u);
  EXPECT_EQ(*(*opened)->read_at(bytes, 10), 0u);
  EXPECT_EQ(*(*opened)->read_at(bytes, 1'000), 0u);
}

TEST_F(posix_file_system_test, writes_all_parts_however_many) {
  auto where = folder_ / "parts";
  auto opened = files_.open(where, open_mode::create);
  ASSERT_TRUE(opened);
  std::vector<std::string> texts;
  std::string whole;
  for (int i = 0; i < 300; ++i)
    whole += texts.emplace_back(i % 3 == 0 ? "" : std::string(1 + i % 7, static_cast<char>('a' + i % 26)));
  std::vector<byte_view> parts;
  for (const auto& text : texts)
    parts.push_back(as_bytes(text));
  ASSERT_TRUE((*opened)->write_at(parts, 0));
  EXPECT_TRUE((*opened)->sync());
  EXPECT_EQ(content(where), whole);
  ASSERT_TRUE((*opened)->write_at(std::span{parts}.subspan(0, 0), 5));
  ASSERT_TRUE((*opened)->truncate(3));
  EXPECT_EQ(content(where), whole.substr(0, 3));
  EXPECT_EQ((*opened)->info()->size, 3u);
}

TEST_F(posix_file_system_test, a_write_that_the_system_cuts_short_is_an_error) {
  auto where = folder_ / "limited";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit low{5'000, before.rlim_max};
  auto opened = files_.open(where, open_mode::create);
  ASSERT_TRUE(opened);
  std::string text(4'000, 'x');
  const byte_view parts[] = {as_bytes(text), as_bytes(text)};
  ::setrlimit(RLIMIT_FSIZE, &low);
  auto written = (*opened)->write_at(parts, 0);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  expect_failure(written, errc::io_error, where);
  EXPECT_EQ(fs::file_size(where), 5'000u) << "what fitted was written, and the rest was tried";
}

TEST_F(posix_file_system_test, a_full_disk_is_told_from_other_failures) {
  auto opened = files_.open("/dev/full", open_mode::read_write);
  if (!opened)
    GTEST_SKIP() << "no /dev/full here";
  const byte_view parts[] = {as_bytes("x")};
  expect_failure((*opened)->write_at(parts, 0), errc::storage_full, "/dev/full");
}

TEST_F(posix_file_system_test, open_modes_are_strict) {
  auto there = put("there", "x");
  auto missing = folder_ / "missing";
  expect_failure(files_.open(missing, open_mode::read), errc::not_found, missing);
  expect_failure(files_.open(missing, open_mode::read_write), errc::not_found, missing);
  expect_failure(files_.open(there / "below", open_mode::read), errc::not_found, there / "below");
  expect_failure(files_.open(there, open_mode::create), errc::io_error, there);
  expect_failure(files_.open(folder_, open_mode::read), errc::is_a_directory, folder_);
  expect_failure(files_.open(folder_, open_mode::read_write), errc::is_a_directory, folder_);
  auto reader = files_.open(there, open_mode::read);
  const byte_view parts[] = {as_bytes("y")};
  expect_failure((*reader)->write_at(parts, 0), errc::io_error, there);
}

TEST_F(posix_file_system_test, forbidden_files_are_reported) {
  if (::geteuid() == 0)
    GTEST_SKIP() << "root may read everything";
  auto where = put("secret", "x");
  fs::permissions(where, fs::perms::none);
  expect_failure(files_.open(where, open_mode::read), errc::permission_denied, where);
}

TEST_F(posix_file_system_test, info_survives_a_rename_and_tells_the_birth) {
  auto opened = files_.open(put("old", "abc"), open_mode::read);
  auto before = (*opened)->info();
  ASSERT_TRUE(before);
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "old").c_str(), &status), 0);
  EXPECT_EQ(before->device, status.st_dev);
  EXPECT_EQ(before->inode, status.st_ino);
  EXPECT_EQ(before->size, 3u);
  EXPECT_TRUE(before->regular);
  ASSERT_TRUE(files_.rename(folder_ / "old", folder_ / "new"));
  auto again = (*files_.open(folder_ / "new", open_mode::read))->info();
  EXPECT_EQ(again->inode, before->inode);
  EXPECT_EQ(again->birth, before->birth);
}

TEST_F(posix_file_system_test, pipes_are_read_as_they_fill) {
  using namespace std::chrono_literals;
  auto where = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(where.c_str(), 0600), 0);
  auto writer = std::async(std::launch::async, [&] { return std::make_unique<std::ofstream>(where); });
  auto opened = files_.open(where, open_mode::read);
  ASSERT_TRUE(opened);
  auto end = writer.get();
  EXPECT_FALSE((*opened)->info()->regular);
  std::string into(3, '\0');
  auto bytes = std::as_writable_bytes(std::span{into});
  EXPECT_EQ(*(*opened)->read_some(bytes, 1ms), std::nullopt);
  *end << "hello" << std::flush;
  EXPECT_EQ(*(*opened)->read_some(bytes, 20s), 3u);
  EXPECT_EQ(into, "hel");
  EXPECT_EQ(*(*opened)->read_some(bytes, 20s), 2u);
  EXPECT_EQ(into, "lol");
  EXPECT_EQ(*(*opened)->read_some(bytes, 0ms), std::nullopt);
  end.reset();
  EXPECT_EQ(*(*opened)->read_some(bytes, 20s), 0u);
  expect_failure((*opened)->read_at(bytes, 0), errc::io_error, where);
}

TEST_F(posix_file_system_test, folders_are_made_listed_and_synced) {
  auto deep = folder_ / "a" / "b" / "c";
  ASSERT_TRUE(files_.create_folders(deep));
  ASSERT_TRUE(files_.create_folders(deep));
  put("z", "");
  put("10", "");
  put(".hidden", "");
  EXPECT_EQ(*files_.list(folder_), (std::vector<std::string>{".hidden", "10", "a", "z"}));
  EXPECT_TRUE(files_.sync_folder(deep));
  EXPECT_EQ(files_.list(deep)->size(), 0u);
  expect_failure(files_.list(folder_ / "no"), errc::not_found, folder_ / "no");
  expect_failure(files_.sync_folder(folder_ / "no"), errc::not_found, folder_ / "no");
  expect_failure(files_.create_folders(folder_ / "z" / "y"), errc::not_found, folder_ / "z" / "y");
}

TEST_F(posix_file_system_test, renaming_replaces_and_removing_removes) {
  auto from = put("from", "new"), to = put("to", "old");
  ASSERT_TRUE(files_.rename(from, to));
  EXPECT_EQ(content(to), "new");
  expect_failure(files_.rename(from, to), errc::not_found, from);
  ASSERT_TRUE(files_.remove(to));
  expect_failure(files_.remove(to), errc::not_found, to);
}

TEST_F(posix_file_system_test, a_lock_is_held_once) {
  auto where = folder_ / "lock";
  auto first = files_.lock(where);
  ASSERT_TRUE(first) << first.error().message;
  auto second = files_.lock(where);
  expect_failure(second, errc::locked, where);
  auto pid = std::to_string(::getpid());
  EXPECT_NE(second.error().message.find("process " + pid), std::string::npos) << second.error().message;
  auto child = ::fork();
  if (child == 0)
    ::_exit(files_.lock(where) ? 1 : 0);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "another process got the lock";
  first->reset();
  EXPECT_TRUE(files_.lock(where));
  EXPECT_EQ(content(where), pid + "\n");
}

TEST_F(posix_file_system_test, space_is_counted_as_df_does) {
  auto space = files_.space(folder_);
  ASSERT_TRUE(space);
  struct statvfs status {};
  ASSERT_EQ(::statvfs(folder_.c_str(), &status), 0);
  EXPECT_EQ(space->capacity, (status.f_blocks - status.f_bfree + status.f_bavail) * status.f_frsize);
  EXPECT_LE(space->available, space->capacity);
  EXPECT_GT(space->capacity, 0u);
  expect_failure(files_.space(folder_ / "no"), errc::not_found, folder_ / "no");
}

TEST_F(posix_file_system_test, patterns_match_sorted) {
  auto b = put("b.log", ""), a = put("a.log", "");
  put("c.txt", "");
  EXPECT_EQ(*files_.glob((folder_ / "*.log").string()), (std::vector<fs::path>{a, b}));
  EXPECT_EQ(*files_.glob(a.string()), (std::vector<fs::path>{a}));
  EXPECT_TRUE(files_.glob((folder_ / "*.gz").string())->empty());
}

TEST_F(posix_file_system_test, whole_files_are_read_up_to_a_bound) {
  std::string text(10'000, 'x');
  auto where = put("text", text);
  EXPECT_EQ(*read_file(files_, where, 20'000), text);
  EXPECT_EQ(*read_file(files_, where, 10'000), text);
  auto result = read_file(files_, where, 9'999);
  expect_failure(result, errc::too_large, where);
  EXPECT_EQ(*read_file(files_, put("empty", ""), 0), "");
  EXPECT_FALSE(read_file(files_, "/proc/self/status", 1 << 20)->empty()) << "a file that does not tell its size";
  expect_failure(read_file(files_, "/proc/self/status", 10), errc::too_large, "/proc/self/status");
}

TEST_F(posix_file_system_test, files_are_replaced_as_a_whole) {
  auto where = folder_ / "state";
  ASSERT_TRUE(replace_file(files_, where, "one"));
  put("state.tmp", "what a crash has left behind");
  ASSERT_TRUE(replace_file(files_, where, "two"));
  EXPECT_EQ(content(where), "two");
  EXPECT_EQ(*files_.list(folder_), (std::vector<std::string>{"state"}));
  EXPECT_FALSE(replace_file(files_, folder_ / "no" / "state", "x"));
}

TEST_F(posix_file_system_test, tells_what_a_path_leads_to) {
  auto where = put("a", "1234");
  auto opened = files_.open(where, open_mode::read).value()->info();
  auto named = files_.info(where);
  ASSERT_TRUE(opened && named);
  EXPECT_EQ(named->inode, opened->inode);
  EXPECT_EQ(named->birth, opened->birth);
  EXPECT_EQ(named->size, 4u);
  fs::create_symlink("a", folder_ / "link");
  EXPECT_EQ(files_.info(folder_ / "link")->inode, opened->inode);
  expect_failure(files_.info(folder_ / "none"), errc::not_found, folder_ / "none");
  expect_failure(files_.info(folder_), errc::is_a_directory, folder_);
}

/// Watches a folder, and waits until it has heard of a path.
class heard_changes {
public:
  expected<std::unique_ptr<folder_watch>> watch(posix_file_system& files) {
    return files.watch([this](std::vector<fs::path> changed) {
      std::lock_guard guard{mutex_};
      heard_.insert(changed.begin(), changed.end());
      has_heard_.notify_all();
    });
  }

  bool hears_of(const fs::path& where) {
    std::unique_lock guard{mutex_};
    return has_heard_.wait_for(guard, std::chrono::seconds{60}, [&] { return heard_.erase(where) > 0; });
  }

private:
  std::mutex mutex_;
  std::condition_variable has_heard_;
  std::set<fs::path> heard_;
};

TEST_F(posix_file_system_test, hears_of_every_kind_of_change) {
  heard_changes heard;
  auto watch = heard.watch(files_);
  ASSERT_TRUE(watch);
  ASSERT_TRUE((*watch)->add(folder_));
  ASSERT_TRUE((*watch)->add(folder_)) << "twice is no error";
  put("a", "1");
  EXPECT_TRUE(heard.hears_of(folder_ / "a"));
  std::ofstream{folder_ / "a", std::ios::app} << "2";
  EXPECT_TRUE(heard.hears_of(folder_ / "a"));
  fs::rename(folder_ / "a", folder_ / "b");
  EXPECT_TRUE(heard.hears_of(folder_ / "a"));
  EXPECT_TRUE(heard.hears_of(folder_ / "b"));
  fs::remove(folder_ / "b");
  EXPECT_TRUE(heard.hears_of(folder_ / "b"));
}

TEST_F(posix_file_system_test, hears_that_a_watched_folder_is_gone) {
  heard_changes heard;
  auto watch = heard.watch(files_);
  ASSERT_TRUE(watch);
  fs::create_directory(folder_ / "logs");
  ASSERT_TRUE((*watch)->add(folder_ / "logs"));
  fs::remove(folder_ / "logs");
  EXPECT_TRUE(heard.hears_of({}));
  expect_failure((*watch)->add(folder_ / "logs"), errc::not_found, folder_ / "logs");
}

} // namespace
} // namespace sluice

#include "transport/posix_file_system.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdio>
#include <system_error>
#include <tuple>

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "transport/posix_descriptor.hpp"
#include "transport/posix_watch.hpp"

namespace sluice {

namespace {

using path = file_system::path;

errc to_errc(int number) noexcept {
  switch (number) {
  case ENOENT:
  case ENOTDIR:
    return errc::not_found;
  case EACCES:
  case EPERM:
  case EROFS:
    return errc::permission_denied;
  case EISDIR:
    return errc::is_a_directory;
  case ENOSPC:
  case EDQUOT:
    return errc::storage_full;
  default:
    return errc::io_error;
  }
}

expected<descriptor> open_descriptor(const path& where, int flags) {
  auto number = uninterrupted([&] { return ::open(where.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0644); });
  if (number == -1)
    return fail_with(errno, where);
  return descriptor{number};
}

/// Of what is open as `number`, or of what `name` leads to.
expected<file_info> stat_file(int number, const char* name, const path& where) {
  struct statx status {};
  if (::statx(number, name, *name ? 0 : AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) == -1)
    return fail_with(errno, where);
  if (S_ISDIR(status.stx_mode))
    return fail_with(EISDIR, where);
  file_info result;
  result.device = makedev(status.stx_dev_major, status.stx_dev_minor);
  result.inode = status.stx_ino;
  if (status.stx_mask & STATX_BTIME)
    result.birth =
      timestamp{std::chrono::seconds{status.stx_btime.tv_sec} + std::chrono::nanoseconds{status.stx_btime.tv_nsec}};
  result.size = status.stx_size;
  result.regular = S_ISREG(status.stx_mode);
  return result;
}

expected<file_info> stat_descriptor(const descriptor& opened, const path& where) {
  return stat_file(opened.get(), "", where);
}

class posix_file final : public file {
public:
  posix_file(descriptor opened, path where) : descriptor_{std::move(opened)}, path_{std::move(where)} {}

  expected<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
    std::size_t filled = 0;
    while (filled < into.size()) {
      auto count = uninterrupted([&] {
        return ::pread(
          descriptor_.get(), into.data() + filled, into.size() - filled, static_cast<off_t>(offset + filled));
      });
      if (count == -1)
        return failed();
      if (count == 0)
        break;
      filled += static_cast<std::size_t>(count);
    }
    return filled;
  }

  expected<std::optional<std::size_t>> read_some(
    std::span<std::byte> into, std::chrono::milliseconds patience) override {
    pollfd waited{descriptor_.get(), POLLIN, 0};
    auto ready = uninterrupted([&] { return ::poll(&waited, 1, static_cast<int>(patience.count())); });
    if (ready == -1)
      return failed();
    if (ready == 0)
      return std::nullopt;
    auto count = uninterrupted([&] { return ::read(descriptor_.get(), into.data(), into.size()); });
    if (count == -1 && errno == EAGAIN)
      return std::nullopt;
    if (count == -1)
      return failed();
    return static_cast<std::size_t>(count);
  }

  expected<void> write_at(std::span<const byte_view> parts, std::uint64_t offset) override {
    std::size_t skip = 0; // bytes of the first part that are written
    for (;;) {
      while (!parts.empty() && skip == parts.front().size()) {
        parts = parts.subspan(1);
        skip = 0;
      }
      if (parts.empty())
        return {};
      auto count = write_some(parts, skip, offset);
      if (count == -1)
        return failed();
      offset += static_cast<std::uint64_t>(count);
      for (skip += static_cast<std::size_t>(count); !parts.empty() && skip > parts.front().size();) {
        skip -= parts.front().size();
        parts = parts.subspan(1);
      }
    }
  }

  expected<void> sync() override {
    if (uninterrupted([&] { return ::fdatasync(descriptor_.get()); }) == -1)
      return failed();
    return {};
  }

  expected<void> truncate(std::uint64_t size) override {
    if (uninterrupted([&] { return ::ftruncate(descriptor_.get(), static_cast<off_t>(size)); }) == -1)
      return failed();
    return {};
  }

  expected<file_info> info() override { return stat_descriptor(descriptor_, path_); }

private:
  tl::unexpected<error> failed() const { return fail_with(errno, path_); }

  ssize_t write_some(std::span<const byte_view> parts, std::size_t skip, std::uint64_t offset) {
    std::array<iovec, 64> vectors;
    auto used = std::min(parts.size(), vectors.size());
    for (std::size_t i = 0; i < used; ++i)
      vectors[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
    vectors[0].iov_base = static_cast<std::byte*>(vectors[0].iov_base) + skip;
    vectors[0].iov_len -= skip;
    return uninterrupted(
      [&] { return ::pwritev(descriptor_.get(), vectors.data(), static_cast<int>(used), static_cast<off_t>(offset)); });
  }

  descriptor descriptor_;
  path path_;
};

class posix_lock final : public file_lock {
public:
  explicit posix_lock(descriptor held) : held_{std::move(held)} {}

private:
  descriptor held_;
};

tl::unexpected<error> fail_locked(const descriptor& opened, const path& where) {
  std::array<char, 20> text;
  auto count = ::pread(opened.get(), text.data(), text.size(), 0);
  int pid = 0;
  if (count > 0)
    std::from_chars(text.data(), text.data() + count, pid);
  auto holder = pid > 0 ? fmt::format("process {}", pid) : std::string{"another process"};
  return fail(errc::locked, fmt::format("{}: locked by {}", where.native(), holder));
}

} // namespace

tl::unexpected<error> fail_with(int number, const path& where) {
  return fail(to_errc(number), fmt::format("{}: {}", where.native(), std::generic_category().message(number)));
}

expected<std::unique_ptr<file>> posix_file_system::open(const path& where, open_mode mode) {
  auto flags = mode == open_mode::read         ? O_RDONLY | O_NONBLOCK
               : mode == open_mode::read_write ? O_RDWR
                                               : O_RDWR | O_CREAT | O_EXCL;
  auto opened = open_descriptor(where, flags);
  if (!opened)
    return fail(opened.error());
  if (auto info = stat_descriptor(*opened, where); !info)
    return fail(info.error());
  return std::make_unique<posix_file>(std::move(*opened), where);
}

expected<std::unique_ptr<file>> posix_file_system::standard_input() {
  auto number = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (number == -1)
    return fail_with(errno, "standard input");
  return std::make_unique<posix_file>(descriptor{number}, "standard input");
}

expected<file_info> posix_file_system::info(const path& where) {
  if (where.empty())
    return fail_with(ENOENT, where);
  return stat_file(AT_FDCWD, where.c_str(), where);
}

expected<void> posix_file_system::append(const path& where, std::string_view text) {
  auto opened = open_descriptor(where, O_WRONLY | O_APPEND | O_CREAT);
  if (!opened)
    return fail(opened.error());
  posix_file file{std::move(*opened), where};
  const byte_view parts[] = {as_bytes(text)};
  // With O_APPEND, pwritev writes at the end whatever its offset (open(2), pwrite(2) BUGS).
  if (auto written = file.write_at(parts, 0); !written)
    return written;
  if (auto synced = file.sync(); !synced)
    return synced;
  auto folder = where.parent_path();
  return sync_folder(folder.empty() ? "." : folder);
}

expected<std::vector<std::string>> posix_file_system::list(const path& folder) {
  std::error_code failure;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at{folder, failure}, end; !failure && at != end; at.increment(failure))
    names.push_back(at->path().filename());
  if (failure)
    return fail_with(failure.value(), folder);
  std::ranges::sort(names);
  return names;
}

expected<void> posix_file_system::create_folders(const path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    return fail_with(failure.value(), folder);
  return {};
}

expected<void> posix_file_system::rename(const path& from, const path& to) {
  if (::rename(from.c_str(), to.c_str()) == -1)
    return fail_with(errno, from);
  return {};
}

expected<void> posix_file_system::remove(const path& where) {
  if (std::remove(where.c_str()) == -1)
    return fail_with(errno, where);
  return {};
}

expected<void> posix_file_system::sync_folder(const path& folder) {
  auto opened = open_descriptor(folder, O_RDONLY | O_DIRECTORY);
  if (!opened)
    return fail(opened.error());
  if (uninterrupted([&] { return ::fsync(opened->get()); }) == -1)
    return fail_with(errno, folder);
  return {};
}

expected<std::unique_ptr<file_lock>> posix_file_system::lock(const path& where) {
  auto opened = open_descriptor(where, O_RDWR | O_CREAT);
  if (!opened)
    return fail(opened.error());
  if (uninterrupted([&] { return ::flock(opened->get(), LOCK_EX | LOCK_NB); }) == -1) {
    if (errno == EWOULDBLOCK)
      return fail_locked(*opened, where);
    return fail_with(errno, where);
  }
  // The lock holds even where a full disk does not take the name of its holder.
  auto pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(opened->get(), 0) == 0)
    std::ignore = ::pwrite(opened->get(), pid.data(), pid.size(), 0);
  return std::make_unique<posix_lock>(std::move(*opened));
}

expected<file_system::space_info> posix_file_system::space(const path& where) {
  struct statvfs status {};
  if (uninterrupted([&] { return ::statvfs(where.c_str(), &status); }) == -1)
    return fail_with(errno, where);
  auto used = status.f_blocks - status.f_bfree;
  return space_info{status.f_bavail * status.f_frsize, (used + status.f_bavail) * status.f_frsize};
}

expected<std::vector<file_system::path>> posix_file_system::glob(const std::string& pattern) {
  glob_t found{};
  auto status = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<path> paths{found.gl_pathv, found.gl_pathv + found.gl_pathc};
  ::globfree(&found);
  if (status != 0 && status != GLOB_NOMATCH)
    return fail(status == GLOB_NOSPACE ? errc::too_large : errc::io_error,
      fmt::format("{}: cannot look for files that match", pattern));
  std::ranges::sort(paths);
  return paths;
}

expected<std::unique_ptr<folder_watch>> posix_file_system::watch(folder_watch::handler changed) {
  return make_posix_watch(std::move(changed));
}

} // namespace sluice

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "messages/stream.hpp"

/// The seam between Sluice and files. Calls block; actors make them on an executor (transport/executor.hpp).
/// Real: transport/posix_file_system.hpp. Simulated, forgetting what was not synced: tests/support/.

namespace sluice {

enum class open_mode : std::uint8_t {
  read,       ///< Must exist; any kind that can be read. Does not wait for somebody to write to a pipe.
  read_write, ///< Must exist.
  create,     ///< Must not exist; for reading and writing.
};

/// What identifies a file's content across renames, and how much there is.
struct file_info {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  timestamp birth; ///< The epoch where the file system does not tell.
  std::uint64_t size = 0;
  bool regular = true; ///< Neither pipe, device nor socket.
};

/// An open file. Errors carry the path. Not thread-safe; closes when destroyed.
class file {
public:
  virtual ~file() = default;

  /// Reads up to `into.size()` bytes at `offset`; fewer only at the end of the file, 0 at or beyond it.
  virtual expected<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) = 0;

  /// Reads what a pipe or terminal has, waiting for it for at most `patience`: at least one byte, 0 at its end, nothing
  /// if nothing came.
  virtual expected<std::optional<std::size_t>> read_some(
    std::span<std::byte> into, std::chrono::milliseconds patience) = 0;

  /// Writes all of `parts`, one behind the other, at `offset`. After an error any part may have been written.
  virtual expected<void> write_at(std::span<const byte_view> parts, std::uint64_t offset) = 0;

  /// Makes content and size durable (fdatasync). After an error nothing may be assumed about what was written since
  /// the last success: it must be written anew elsewhere or read back from a fresh start.
  virtual expected<void> sync() = 0;

  virtual expected<void> truncate(std::uint64_t size) = 0;

  virtual expected<file_info> info() = 0;
};

/// Holds a lock until destroyed.
class file_lock {
public:
  virtual ~file_lock() = default;
};

/// Watches folders until destroyed. What it says is only a hint: it may say too much, say it late, or not at all.
class folder_watch {
public:
  /// Called from any thread with the paths at which a file was made, removed, renamed or written. An empty one among
  /// them: anything may have changed.
  using handler = std::function<void(std::vector<std::filesystem::path>)>;

  virtual ~folder_watch() = default;

  /// Watches what is directly in a folder from now on; no error if it is watched already. Thread-safe.
  virtual expected<void> add(const std::filesystem::path& folder) = 0;
};

/// Thread-safe.
class file_system {
public:
  using path = std::filesystem::path;

  virtual ~file_system() = default;

  /// Errors of all calls: not_found, permission_denied, is_a_directory, storage_full, io_error, each with the path.
  virtual expected<std::unique_ptr<file>> open(const path& where, open_mode mode) = 0;

  /// Standard input, which cannot be opened by a name if another user has made it. Usually a pipe.
  virtual expected<std::unique_ptr<file>> standard_input() = 0;

  /// What `where` leads to; error is_a_directory if that is a folder.
  virtual expected<file_info> info(const path& where) = 0;

  /// Adds text to the end of a file, which is made if need be, and syncs it. Several processes may do so at a time.
  virtual expected<void> append(const path& where, std::string_view text) = 0;

  /// Names (not paths) in a folder, sorted.
  virtual expected<std::vector<std::string>> list(const path& folder) = 0;

  /// Makes a folder and those above it; no error if it is there.
  virtual expected<void> create_folders(const path& folder) = 0;

  /// Replaces `to` if it is there.
  virtual expected<void> rename(const path& from, const path& to) = 0;

  virtual expected<void> remove(const path& where) = 0;

  /// Makes the names in a folder durable.
  virtual expected<void> sync_folder(const path& folder) = 0;

  /// Locks a file, making it if need be, against every other process and caller. Error: locked, naming the holder where
  /// known.
  virtual expected<std::unique_ptr<file_lock>> lock(const path& where) = 0;

  /// Bytes free for us and in all, on the file system that holds `where`.
  struct space_info {
    std::uint64_t available = 0;
    std::uint64_t capacity = 0;
  };
  virtual expected<space_info> space(const path& where) = 0;

  /// Paths that match a shell pattern, sorted; none if nothing does.
  virtual expected<std::vector<path>> glob(const std::string& pattern) = 0;

  /// Makes a watch without folders.
  virtual expected<std::unique_ptr<folder_watch>> watch(folder_watch::handler changed) = 0;
};

/// Reads a whole small file. Error too_large beyond `max_bytes`.
expected<std::string> read_file(file_system& files, const std::filesystem::path& where, std::size_t max_bytes);

/// Writes a file so that after a crash either the old or the new content is there: to a temporary name, synced,
/// renamed, folder synced.
expected<void> replace_file(file_system& files, const std::filesystem::path& where, std::string_view content);

} // namespace sluice

#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>

#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

class file;
class file_system;
struct file_info;

/// Gives open files the key of their stream: the same after a rename or when lines are appended, another when the inode
/// is used again or the beginning is rewritten. It is a hash of device, inode, time of birth and the head, up to
/// 1024 bytes as the file was first seen.
///
/// A file that is shorter than that when it is first seen grows away from its hash; so its head is noted in a file of
/// the agent's state folder, one line each, appended and synced: `device inode birth head_bytes head_hash key key .`
/// A line that a crash has cut lacks the point and is passed over; each begins with LF, so that it spoils no other.
/// Once there are many, the older half is forgotten at the next start. Agents that share a state folder see what the
/// others had noted when they began. Not thread-safe; calls block.
class file_registry {
public:
  /// `notes` need not exist. Nothing is noted if it is empty.
  file_registry(file_system& files, std::filesystem::path notes) : files_(files), notes_(std::move(notes)) {}

  expected<id128> identify(file& opened);

  /// Gives a file that was truncated, but begins as it did, another key than `old`, also from now on.
  expected<id128> renew(file& opened, const id128& old);

private:
  using inode_id = std::tuple<std::uint64_t, std::uint64_t, std::int64_t>; ///< Device, inode, birth.
  struct head {
    std::uint64_t bytes = 0;
    std::uint64_t hash = 0;
    id128 key{};
  };

  expected<void> load();
  void parse(const std::string& text);
  expected<void> note(const inode_id& inode, const head& seen);

  file_system& files_;
  std::filesystem::path notes_;
  bool loaded_ = false;
  std::map<inode_id, head> short_files_;
};

} // namespace sluice

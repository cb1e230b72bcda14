#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/source/file_identity.hpp"
#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

class file;
class file_system;

/// What the agent knows of a file.
struct known_file {
  enum class state : char {
    open = 'o',
    finished = 'f', ///< All of it is stored, and it is followed no more.
    cut = 't',      ///< It was truncated: what is in it belongs to the stream that comes next.
  };

  id128 key{};
  std::uint32_t generation = 0; ///< How often the file was begun anew.
  file_head head;
  state now = state::open;
  std::string path; ///< At which it is followed; empty if it is not.
};

/// Gives open files the key of their stream: the same after a rename or when lines are appended, another when the inode
/// is used again or the file is begun anew. It is a hash of device, inode, time of birth, the head as the file was
/// first seen, and how often it was begun anew.
///
/// A file that is shorter than a head when it is first seen grows away from its hash, and a followed one is to be found
/// again wherever it has been moved; so these are noted in a file of the agent's state folder, one line each, appended
/// and synced: `device inode birth generation head_bytes head_hash key key state newest path .`
/// A line that a crash has cut lacks the point and is passed over; each begins with LF, so that it spoils no other.
/// Once there are many, the file is written anew without what was finished longest ago. Agents that share a state
/// folder see what the others had noted when they began. Not thread-safe; calls block.
class file_registry {
public:
  using entry = std::pair<const file_identity, known_file>;

  /// `notes` need not exist. Nothing is noted if it is empty.
  file_registry(file_system& files, std::filesystem::path notes) : files_(files), notes_(std::move(notes)) {}

  /// Reads the notes, once. What follows must not be called before it has succeeded.
  expected<void> load();

  /// The file's entry, made or brought up to date; not noted before `flush`. With a path it is followed from now on.
  /// Errors: not_found if it is truncated then: empty, or not what is followed there and not finished.
  expected<const entry*> identify(file& opened, const std::string& path = {});

  /// nullptr if it is not known.
  const known_file* find(const file_identity& which) const;

  /// What is followed and not finished, by path, in the order of birth.
  std::map<std::string, std::vector<file_identity>> unfinished() const;

  /// Another beginning than was noted, because the file has grown.
  void set_head(const file_identity& which, const file_head& head);

  /// What becomes of a file; not noted before `flush`.
  void mark(const file_identity& which, known_file::state now);

  /// The stream of `from`, which was truncated, goes on in `copy`, a file that was made of it before.
  void move(const file_identity& from, const file_identity& copy);

  /// Birth of the newest file that was there, under any name, when something new was last found at `path`; nothing
  /// before the first time.
  std::optional<std::int64_t> newest_at(const std::string& path) const;
  /// Those for which that is known.
  std::vector<std::string> paths() const;
  void set_newest(const std::string& path, std::int64_t birth) { newest_[path] = birth; }

  /// Makes durable what has been changed.
  expected<void> flush();

private:
  void parse(const std::string& text);
  static std::string line_of(const entry& x, const std::map<std::string, std::int64_t>& newest);
  void note(const file_identity& which) { changed_.push_back(which); }
  void forget_finished();
  expected<void> rewrite();

  file_system& files_;
  std::filesystem::path notes_;
  bool loaded_ = false;
  std::uint64_t notes_bytes_ = 0;
  std::map<file_identity, known_file> known_;
  std::map<std::string, std::int64_t> newest_, noted_newest_;
  std::vector<file_identity> changed_;  ///< To be noted.
  std::vector<file_identity> finished_; ///< Longest ago first.
};

} // namespace sluice

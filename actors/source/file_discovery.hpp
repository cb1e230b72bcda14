#pragma once

#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/source/file_identity.hpp"
#include "actors/source/file_registry.hpp"
#include "actors/source/sibling_files.hpp"

namespace sluice {

/// A file to be read.
struct found_file {
  std::string path;               ///< At which it is followed.
  std::filesystem::path location; ///< Where it is now.
  id128 key{};                    ///< Of its stream.
  file_identity which;
  file_head head;
  std::uint64_t size = 0;
  bool is_followed = true;
  bool is_away = false;    ///< It is not at its path (any more), so that nobody will write to it for long.
  bool is_missing = false; ///< It was followed by an earlier run and is nowhere to be seen.
  std::shared_ptr<file> opened;
};

/// A file that was found before has another size, or has been moved away from its path.
struct file_change {
  id128 key{};
  std::uint64_t size = 0;
  bool is_away = false;
  std::filesystem::path location; ///< Where it is if it is away; empty if it could not be found.
};

struct findings {
  std::vector<file_change> changes;
  std::vector<found_file> files;           ///< Those at one path in the order in which they were written.
  std::vector<error> problems;             ///< Told once each.
  std::set<std::filesystem::path> folders; ///< Where changes are to be expected; a pattern where they are not known.
};

/// Tells which files there are to be read under the paths that are followed, and what becomes of them: what appears,
/// grows, is rotated, comes back, and what was there before the agent started. Not thread-safe; calls block.
///
/// A file is known by its identity, whatever its name. When something new is at a path, what was there before may have
/// been rotated more than once; so the folder is searched for files with names of rotated ones that are younger than
/// all that were there when something new was last found. They are to be read first, in the order of birth. The same is
/// done as long as nothing is at a path, or an empty file.
///
/// Names may shift at any moment. What is opened by its name is compared with what was seen there, and looked for again
/// if it is another file. What cannot be found is left to whoever reads it, who knows how much of it is stored.
class file_discovery {
public:
  /// `patterns` are absolute paths or shell patterns.
  file_discovery(file_system& files, std::shared_ptr<file_registry> registry, std::vector<std::string> patterns)
    : files_(files), registry_(std::move(registry)), siblings_(files), patterns_(std::move(patterns)) {}

  /// What has happened since the last look.
  struct news {
    std::set<std::filesystem::path> changed; ///< Where to look; everywhere if it holds an empty path.
    struct finished_file {
      file_identity which;
      id128 key{};
    };
    std::vector<finished_file> finished; ///< All of it is stored, and it is followed no more.
    std::size_t max_opened = 0;          ///< How many files may be left open.
  };

  /// Fails if it is not known what the agent has read before, or cannot be noted.
  expected<findings> look(const news& since);

  /// A file has grown to have this head. What was read of it may be handed on only once that is noted: were it stored
  /// and the head lost, another generation with the same shorter head would be taken for the rest of it.
  expected<void> note_head(const file_identity& which, const id128& key, const file_head& head);

  /// A file as far as it has been read.
  struct progress {
    std::string path;
    file_identity which;
    id128 key{};
    file_head head;
    std::uint64_t position = 0;
    std::uint64_t acked = 0; ///< What lies behind may have to be read again.
  };

  /// The file has been truncated: it has another head now, or is shorter than what was read. Finds a copy that was made
  /// of it before, and holds what follows what was read, or has to be read again; and what is in it now.
  expected<findings> look_at_truncated(const progress& x);

  /// Where a file is that was moved away from its path; nothing if it cannot be found.
  std::optional<std::filesystem::path> find(const std::string& path, const file_identity& which);

  /// Files to be read once, from where their receiver stands to their present end. If that fails, the next look finds
  /// them.
  expected<findings> identify(const std::vector<std::string>& given);

  /// What is in such a file after it was truncated.
  expected<findings> identify_truncated(const std::string& given, const file_identity& which);

private:
  /// What a path was last seen to lead to.
  struct occupant {
    file_identity which;
    std::uint64_t size = 0;
    bool is_passed_over = false; ///< It is read under another path, or need not be read.
  };

  using sighting = sibling_files::sighting;

  static constexpr auto after_all = std::numeric_limits<std::int64_t>::max(); ///< Later than any file's birth.

  void begin();
  bool is_still(const file_identity& which, const id128& key) const;
  bool is_wanted(const std::string& path) const;
  std::vector<std::string> candidates(const std::set<std::filesystem::path>& changed);
  void see(const sighting& seen, findings& found);
  void see_nothing(const std::string& path, findings& found);
  void leave(const std::string& path, findings& found);
  bool need_not_be_read(const sighting& seen);
  bool is_copy(const sighting& seen, const std::string& base);
  const std::string* base_of(const std::string& path) const;

  void arrive(const std::string& path, const sighting* seen, findings& found);
  void add_newcomers(findings& found);
  void find_rotated(const std::string& path, findings& found, std::int64_t end = after_all);
  bool search(const std::string& path, findings& found, std::int64_t end);
  void bring_back(const std::string& path, const sighting* seen, findings& found);
  void place(const std::string& path, const file_identity& which, const sighting* seen, findings& found);
  std::optional<sighting> find_copy(const std::string& path, const file_head& head);
  std::optional<std::vector<std::byte>> beginning_of(const sighting& seen);
  void go_on(const std::string& path, const sighting& seen, findings& found);
  void miss(const std::string& path, const file_identity& which, findings& found);
  enum class added { yes, no, moved };
  added add(const std::string& path, const sighting& seen, bool is_away, findings& found);
  expected<found_file> identify(const std::string& given);
  void identify_given(findings& found);
  void complain(const std::string& path, error reason, findings& found);
  expected<findings> noted(findings found);

  file_system& files_;
  std::shared_ptr<file_registry> registry_;
  sibling_files siblings_;
  std::vector<std::string> patterns_;
  std::map<std::string, occupant> paths_;
  std::set<file_identity> in_use_;                            ///< Found and not finished.
  std::map<std::string, std::vector<file_identity>> history_; ///< Of earlier runs, not looked for yet.
  std::set<std::string> searched_;                            ///< Paths of which rotated files are looked for.
  std::map<std::string, std::string> complaints_;             ///< The last one of each path.
  std::vector<found_file> newcomers_;                         ///< Found at their paths by the present look.
  std::vector<std::string> given_;                            ///< To be identified.
  findings kept_;                                             ///< Could not be noted yet.
  bool has_looked_ = false;
  std::size_t may_open_ = 0;
};

} // namespace sluice

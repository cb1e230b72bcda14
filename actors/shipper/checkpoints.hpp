#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

class file_system;

/// How far streams are acknowledged, and by which store, kept over a restart of the agent, so that it can go on at
/// another receiver than before. Only a cache: a receiver's own word counts more, and what is not known here is asked
/// of the receivers. Processes of one agent share a file: each adds to it what it has changed. Not thread-safe.
///
/// As text it has a line per stream, the one that moved last at the end, of decimal numbers:
/// `producer source epoch sequence position store hash`, each id as two halves, the hash XXH3-64 of what precedes it.
/// A line that does not match its hash is passed over.
class checkpoints {
public:
  static constexpr std::size_t max_streams =
    64 * 1024; ///< In the text; the ones that have not moved longest are left out.
  static constexpr std::size_t max_text_bytes = 16 * 1024 * 1024;

  struct entry {
    stream_point last;
    id128 store{};
  };

  /// Streams that have moved, in the order in which they did, and those that are over.
  using changes = std::vector<std::pair<stream_id, std::optional<entry>>>;

  /// What a file has; nothing if there is none.
  static expected<checkpoints> read(file_system& files, const std::filesystem::path& where);

  /// Applies `changed` to what a file has. Errors: locked while another process does so, those of the file system.
  static expected<void> update(file_system& files, const std::filesystem::path& where, const changes& changed);

  /// Adds what `text` has.
  void load(std::string_view text);
  std::string text() const;

  /// Null if the stream is not known.
  const entry* find(const stream_id& stream) const;

  /// Returns whether this is the first change since they were taken.
  bool set(const stream_id& stream, const entry& known);
  void erase(const stream_id& stream);

  /// Does both, but leaves alone what a later start of the agent has set.
  void apply(const changes& changed);

  bool changed() const noexcept { return changed_; }
  changes take_changes();
  /// They could not be saved: they are taken again with the next ones.
  void put_back(const changes& unsaved);

private:
  struct moved_entry {
    entry known;
    std::uint64_t moved = 0; ///< Greater than that of all which moved before.
  };

  std::vector<std::pair<stream_id, moved_entry>> by_move() const;

  std::unordered_map<stream_id, moved_entry> streams_;
  std::unordered_set<stream_id> unsaved_;
  std::uint64_t moves_ = 0;
  bool changed_ = false;
};

} // namespace sluice

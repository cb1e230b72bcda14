#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "transport/file_system.hpp"

namespace sluice::test {

class sim_watch;

/// A file system in memory that forgets at a crash what was not synced, as a disk may: of a file any mix of old and
/// new 512-byte sectors survives, of a folder's creates, renames and removes any first part; of a folder
/// that its parent was not synced for, nothing. Everything random follows the seed. Whoever watches a folder is told
/// within the call that changes it, and must not call back from there. Thread-safe.
class sim_file_system : public file_system {
public:
  struct inode {
    std::uint64_t number = 0;
    timestamp birth;
    bool is_pipe = false;          ///< Can be read once.
    bool is_ended = false;         ///< Nobody writes to the pipe any more.
    std::uint64_t taken = 0;       ///< Bytes that were read from the pipe.
    std::string content;           ///< What readers see.
    std::string durable;           ///< What a crash leaves for sure.
    std::set<std::uint64_t> dirty; ///< Sectors that the next sync makes durable.
    std::set<std::uint64_t> lost;  ///< Sectors that a failed sync marked clean without writing them.
  };

  explicit sim_file_system(std::uint64_t seed) : rng_(seed) {}

  /// Power fails now: forgets, releases locks, invalidates open files, then works again.
  void crash();

  /// From the `operations`-th change on (write, sync, truncate, rename, remove, create, folder sync; 1 is the next)
  /// every call fails, until `crash`. A write that is cut off leaves a part.
  void power_off_after(std::uint64_t operations);

  /// Whether `power_off_after` has struck.
  bool is_off() const;

  /// The `nth` write from now on (1 is the next) writes a part and fails.
  void fail_write(std::uint64_t nth, errc code);

  /// The `nth` sync of a file from now on fails; what it should have written is lost unless written again.
  void fail_sync(std::uint64_t nth, errc code);

  /// From now on every call that concerns something in `folder` fails with this probability. A write that fails leaves
  /// a part, a sync that fails loses what it should have written unless that is written again.
  void fail_calls(unsigned per_mille, errc code, path folder = "/");

  /// From now on syncs of files succeed without making anything durable.
  void ignore_syncs();

  /// From now on syncs of folders do.
  void ignore_folder_syncs();

  /// Takes back what `power_off_after`, `fail_write`, `fail_sync` and `fail_calls` have announced.
  void clear_faults();

  /// Bytes that all files together may hold, also fewer than they do.
  void set_capacity(std::uint64_t bytes);
  std::uint64_t used_bytes() const;

  /// File systems without a time of birth say the epoch instead.
  void forget_births();

  /// Changes that `power_off_after` counts, so far.
  std::uint64_t changes() const;
  std::uint64_t syncs() const;
  /// Bytes read from `where` so far.
  std::uint64_t bytes_read(const path& where) const;

  std::string content(const path& where) const;

  // -- what applications do, durable at once ----------------------------------

  /// Replaces what the file holds, or makes it, with its folders.
  void set_content(const path& where, std::string content);
  /// Makes the file if it is not there.
  void append_content(const path& where, std::string_view text);
  /// Replaces `to` if it is there.
  void move_content(const path& from, const path& to);
  void remove_content(const path& where);

  /// Makes a pipe, written to by `append_content` until `end_pipe`.
  void make_pipe(const path& where);
  void end_pipe(const path& where);
  /// Bytes that were read from it.
  std::uint64_t taken_from_pipe(const path& where) const;

  /// Is called before each look at names or what they lead to (open, info, list), with what other programs do at that
  /// moment; not while it is running itself.
  void interleave(std::function<void()> others) { others_ = std::move(others); }

  // -- the seam ---------------------------------------------------------------

  expected<std::unique_ptr<file>> open(const path& where, open_mode mode) override;
  expected<std::unique_ptr<file>> standard_input() override;
  expected<file_info> info(const path& where) override;
  expected<void> append(const path& where, std::string_view text) override;
  expected<std::vector<std::string>> list(const path& folder) override;
  expected<void> create_folders(const path& folder) override;
  expected<void> rename(const path& from, const path& to) override;
  expected<void> remove(const path& where) override;
  expected<void> sync_folder(const path& folder) override;
  expected<std::unique_ptr<file_lock>> lock(const path& where) override;
  expected<space_info> space(const path& where) override;
  expected<std::vector<path>> glob(const std::string& pattern) override;
  expected<std::unique_ptr<folder_watch>> watch(folder_watch::handler changed) override;

private:
  friend class sim_file;
  friend class sim_lock;
  friend class sim_watch;

  using names = std::map<path, std::shared_ptr<inode>>;

  /// A change of a folder that is not yet durable. `to` empty: removed; `from` empty: created.
  struct name_change {
    path from, to;
    std::shared_ptr<inode> node;
  };

  struct failing_calls {
    unsigned per_mille = 0;
    errc code{};
    path folder;
  };

  static bool is_below(const path& where, const path& folder);
  static tl::unexpected<error> fail_at(errc code, const path& where, std::string_view what);
  expected<void> check_power(const path& where) const;
  /// Whether a call may begin.
  expected<void> admit(const path& where);
  void let_others_act();
  expected<void> count_change(const path& where);
  file_info info_of(const inode& node) const;
  /// Tells whoever watches its folder.
  void tell_of(const path& changed) const;
  std::shared_ptr<inode> make_inode();
  void unlink(const path& where);
  inode& made(const path& where);
  void apply(names& table, const name_change& change) const;
  void change_name(name_change change);
  std::uint64_t used() const;
  std::uint64_t room() const;
  std::uint64_t random_below(std::uint64_t bound);
  void write(inode& node, byte_view bytes, std::uint64_t offset);
  void forget_unsynced(inode& node);
  void forget_folder(const path& lost);

  expected<void> write_parts(inode& node, const path& where, std::span<const byte_view> parts, std::uint64_t offset);
  expected<void> sync_file(inode& node, const path& where);
  expected<void> truncate_file(inode& node, const path& where, std::uint64_t size);

  mutable std::mutex mutex_;
  std::function<void()> others_;
  std::mt19937_64 rng_;
  names names_;
  names durable_names_;
  std::vector<name_change> unsynced_names_;
  std::set<path> folders_{"/"}, unsynced_folders_;
  std::set<path> locks_;
  std::map<path, std::uint64_t> read_;
  std::vector<const sim_watch*> watches_; ///< In order: all that happens follows the seed.
  std::uint64_t next_inode_ = 1;
  std::int64_t next_birth_ = 1;
  bool tells_births_ = true;
  std::vector<std::pair<std::uint64_t, std::weak_ptr<inode>>> unlinked_; ///< Their numbers are used again.
  std::uint64_t generation_ = 0;
  std::uint64_t capacity_ = std::uint64_t{1} << 40;
  std::uint64_t changes_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t syncs_ = 0;
  bool ignores_syncs_ = false;
  bool ignores_folder_syncs_ = false;
  std::optional<std::uint64_t> power_off_at_;
  std::optional<std::pair<std::uint64_t, errc>> failing_write_;
  std::optional<std::pair<std::uint64_t, errc>> failing_sync_;
  std::optional<failing_calls> failing_calls_;
};

} // namespace sluice::test

#pragma once

#include "transport/file_system.hpp"

namespace sluice {

/// The machine's files. Thread-safe.
class posix_file_system final : public file_system {
public:
  expected<std::unique_ptr<file>> open(const path& where, open_mode mode) override;
  expected<std::unique_ptr<file>> standard_input() override;
  expected<file_info> info(const path& where) override;
  expected<void> append(const path& where, std::string_view text) override;
  expected<std::vector<std::string>> list(const path& folder) override;
  expected<void> create_folders(const path& folder) override;
  expected<void> rename(const path& from, const path& to) override;
  expected<void> remove(const path& where) override;
  expected<void> sync_folder(const path& folder) override;

  /// The lock file holds the process ID of its holder and stays behind, unlocked.
  expected<std::unique_ptr<file_lock>> lock(const path& where) override;

  /// As `df` computes it: blocks kept for root count neither as available nor as capacity.
  expected<space_info> space(const path& where) override;
  expected<std::vector<path>> glob(const std::string& pattern) override;
  expected<std::unique_ptr<folder_watch>> watch(folder_watch::handler changed) override;
};

} // namespace sluice

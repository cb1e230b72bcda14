#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "messages/buffer.hpp"
#include "messages/errc.hpp"
#include "transport/file_system.hpp"

namespace sluice {

/// What tells a file from others, whatever its name. An inode that is used again has another birth, where the file
/// system tells it.
struct file_identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t birth = 0; ///< Nanoseconds since the epoch.

  friend auto operator<=>(const file_identity&, const file_identity&) = default;
};

file_identity identity_of(const file_info& info) noexcept;

/// The beginning of a file as it was when last looked at: what is appended leaves it as it is, what is written anew
/// does not.
struct file_head {
  static constexpr std::size_t max_bytes = 1024;

  std::uint32_t bytes = 0;
  std::uint64_t hash = 0;

  static file_head of(byte_view beginning) noexcept;

  /// Whether a file that begins like this still has this head.
  bool is_head_of(byte_view beginning) const noexcept;

  bool is_full() const noexcept { return bytes == max_bytes; }

  friend bool operator==(const file_head&, const file_head&) = default;
};

/// Opens `where` for reading if that is still the same file; error not_found otherwise.
expected<std::unique_ptr<file>> open_same(
  file_system& files, const std::filesystem::path& where, const file_identity& which);

/// The first bytes of a file, as many as a head has.
expected<std::vector<std::byte>> read_beginning(file& opened);

} // namespace sluice

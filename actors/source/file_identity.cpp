#include "actors/source/file_identity.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <xxhash.h>

namespace sluice {

file_identity identity_of(const file_info& info) noexcept {
  return {info.device, info.inode, info.birth.time_since_epoch().count()};
}

file_head file_head::of(byte_view beginning) noexcept {
  auto bytes = std::min(beginning.size(), max_bytes);
  return {static_cast<std::uint32_t>(bytes), XXH3_64bits(beginning.data(), bytes)};
}

bool file_head::is_head_of(byte_view beginning) const noexcept {
  return beginning.size() >= bytes && of(beginning.first(bytes)) == *this;
}

expected<std::unique_ptr<file>> open_same(
  file_system& files, const std::filesystem::path& where, const file_identity& which) {
  auto opened = files.open(where, open_mode::read);
  if (!opened)
    return opened;
  auto info = (*opened)->info();
  if (!info)
    return fail(std::move(info.error()));
  if (identity_of(*info) != which)
    return fail(errc::not_found, fmt::format("{}: is another file now", where.native()));
  return opened;
}

expected<std::vector<std::byte>> read_beginning(file& opened) {
  std::vector<std::byte> beginning(file_head::max_bytes);
  auto got = opened.read_at(beginning, 0);
  if (!got)
    return fail(std::move(got.error()));
  beginning.resize(*got);
  return beginning;
}

} // namespace sluice

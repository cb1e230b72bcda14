#include "actors/source/file_identity.hpp"

#include <array>
#include <cstring>

#include <xxhash.h>

#include "transport/file_system.hpp"

namespace sluice {

expected<id128> identify_file(file& opened) {
  constexpr std::size_t head_bytes = 1024;
  auto info = opened.info();
  if (!info)
    return fail(std::move(info.error()));
  std::array<std::byte, head_bytes> head;
  auto got = opened.read_at(head, 0);
  if (!got)
    return fail(std::move(got.error()));
  auto first_line = as_text({head.data(), *got});
  first_line = first_line.substr(0, first_line.find('\n'));
  std::array<std::uint64_t, 4> parts{
    info->device, info->inode,
    static_cast<std::uint64_t>(info->birth.time_since_epoch().count()),
    XXH3_64bits(first_line.data(), first_line.size())};
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(parts.data(), sizeof parts));
  id128 key;
  static_assert(sizeof key == sizeof hash.digest);
  std::memcpy(key.data(), hash.digest, sizeof key);
  return key;
}

} // namespace sluice

#include "actors/source/file_registry.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <sstream>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <xxhash.h>

#include "transport/file_system.hpp"

namespace sluice {

namespace {

constexpr std::size_t head_bytes = 1024;
/// Of the notes, before the older half is forgotten; far more than an agent has short files.
constexpr std::size_t many_notes_bytes = 16 * 1024 * 1024;
constexpr std::size_t max_notes_bytes = 256 * 1024 * 1024;

using half_keys = std::array<std::uint64_t, 2>;

id128 make_key(std::uint64_t device, std::uint64_t inode, std::int64_t birth, byte_view head) {
  std::array<std::uint64_t, 5> parts{
    device, inode, static_cast<std::uint64_t>(birth), XXH3_64bits(head.data(), head.size()), head.size()};
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(parts.data(), sizeof parts));
  return std::bit_cast<id128>(hash.digest);
}

} // namespace

expected<id128> file_registry::identify(file& opened) {
  auto info = opened.info();
  if (!info)
    return fail(std::move(info.error()));
  std::array<std::byte, head_bytes> space;
  auto got = opened.read_at(space, 0);
  if (!got)
    return fail(std::move(got.error()));
  byte_view now{space.data(), *got};
  inode_id inode{info->device, info->inode, info->birth.time_since_epoch().count()};
  if (auto loaded = load(); !loaded)
    return fail(std::move(loaded.error()));
  auto known = short_files_.find(inode);
  auto is_known = known != short_files_.end() && known->second.bytes <= now.size() &&
                  XXH3_64bits(now.data(), known->second.bytes) == known->second.hash;
  if (is_known && known->second.bytes == now.size())
    return known->second.key;
  auto key =
    is_known ? known->second.key : make_key(info->device, info->inode, info->birth.time_since_epoch().count(), now);
  if (is_known || now.size() < head_bytes)
    if (auto noted = note(inode, {now.size(), XXH3_64bits(now.data(), now.size()), key}); !noted)
      return fail(std::move(noted.error()));
  return key;
}

expected<id128> file_registry::renew(file& opened, const id128& old) {
  auto info = opened.info();
  if (!info)
    return fail(std::move(info.error()));
  std::array<std::byte, head_bytes> space;
  auto got = opened.read_at(space, 0);
  if (!got)
    return fail(std::move(got.error()));
  auto birth = info->birth.time_since_epoch().count();
  auto key = make_key(info->device, info->inode, birth, std::as_bytes(std::span{old}));
  auto noted = note({info->device, info->inode, birth}, {*got, XXH3_64bits(space.data(), *got), key});
  if (!noted)
    return fail(std::move(noted.error()));
  return key;
}

expected<void> file_registry::load() {
  if (loaded_ || notes_.empty())
    return {};
  auto text = read_file(files_, notes_, max_notes_bytes);
  if (!text && text.error().code != errc::not_found)
    return fail(std::move(text.error()));
  if (text && text->size() > many_notes_bytes) {
    text->erase(0, text->find('\n', text->size() - many_notes_bytes / 2));
    if (auto replaced = replace_file(files_, notes_, *text); !replaced)
      return replaced;
  }
  if (text)
    parse(*text);
  loaded_ = true;
  return {};
}

void file_registry::parse(const std::string& text) {
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields{line};
    std::uint64_t device, number;
    std::int64_t birth;
    head seen;
    half_keys halves;
    char end = 0;
    if (fields >> device >> number >> birth >> seen.bytes >> seen.hash >> halves[0] >> halves[1] >> end &&
        seen.bytes <= head_bytes && end == '.') {
      seen.key = std::bit_cast<id128>(halves);
      short_files_[{device, number, birth}] = seen;
    } else if (!line.empty()) {
      spdlog::warn("{}: passed over a note that cannot be read: {}", notes_.string(), line);
    }
  }
}

expected<void> file_registry::note(const inode_id& inode, const head& seen) {
  if (!notes_.empty()) {
    auto halves = std::bit_cast<half_keys>(seen.key);
    auto line = fmt::format("\n{} {} {} {} {} {} {} .", std::get<0>(inode), std::get<1>(inode), std::get<2>(inode),
      seen.bytes, seen.hash, halves[0], halves[1]);
    if (auto appended = files_.append(notes_, line); !appended)
      return appended;
  }
  short_files_[inode] = seen;
  return {};
}

} // namespace sluice
